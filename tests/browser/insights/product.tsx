// A product that shows its users what Footfall knows of them.
import "@footfall/insights/style.css";

import { type Suggestion, useFeed, UserInsights, useNextAction } from "@footfall/insights";
import { useState } from "react";
import { createRoot } from "react-dom/client";

declare const settings: { endpoint: string; token: string; userId: string };
declare global {
  interface Window {
    acted: Suggestion[];
    asked: number;
  }
}
window.acted = [];
window.asked = 0;

const asking = {
  userId: settings.userId,
  endpoint: settings.endpoint,
  getToken: async () => {
    window.asked += 1;
    return settings.token;
  },
};

function ForYou() {
  const { data: feed, error } = useFeed(asking, { limit: 3 });
  const { data: next, isLoading } = useNextAction(asking);
  if (error) return <p id="feed">{error.status}: {error.message}</p>;
  return (
    <>
      <p id="next">{isLoading ? "…" : next?.message}</p>
      <ol id="feed">{feed?.items.map((item) => <li key={item.content_id}>{item.title}</li>)}</ol>
    </>
  );
}

function Product() {
  const [users, setUsers] = useState([asking.userId]);
  return (
    <>
      <h3 id="own">A heading of the product's own</h3>
      {users.map((userId) => (
        <UserInsights key={userId} {...asking} userId={userId} onAction={(suggestion) => window.acted.push(suggestion)} />
      ))}
      <ForYou />
      <button onClick={() => setUsers(["somebody-else"])}>Another</button>
    </>
  );
}

const root = document.getElementById("root");
if (root) createRoot(root).render(<Product />);
