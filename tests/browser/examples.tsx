// The usage examples of the tracker that this one replaces, as they were written, in components around them.
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

import { tracker } from "@/utils/tracking/eventTracker";
import { useContentView, usePageViews } from "@footfall/tracker/react";

declare const settings: object;
Object.assign(window, { module: tracker });
// Nobody has to know whether it is there already.
if (window.location.pathname === "/hooks") tracker.trackAction("early", "test");
tracker.init(settings);

function useLocation() {
  const [pathname, navigate] = useState(window.location.pathname);
  const go = (path: string) => {
    history.pushState({}, "", path);
    navigate(path);
  };
  return { pathname, go };
}

function Button({ onClick, children }: { onClick: () => void; children: string }) {
  return <button onClick={onClick}>{children}</button>;
}

function ProfilePage({ profileId }: { profileId: string }) {
  useEffect(() => {
    const startTime = Date.now();
    
    tracker.trackContentInteraction(
      'profile',
      profileId,
      'view'
    );
    
    return () => {
      const duration = Math.floor((Date.now() - startTime) / 1000);
      tracker.trackContentInteraction(
        'profile',
        profileId,
        'view',
        duration
      );
    };
  }, [profileId]);
  return <p>{profileId}</p>;
}

function Dashboard() {
  const location = useLocation();
  const userRole = "founder";
  const results = ["a", "b"];
  const activeFilters = ["remote"];
  const handleCreate = () => {};

  useEffect(() => {
    tracker.trackPageView();
  }, [location.pathname]);

  const handleSearch = async (query: string) => {
    tracker.trackAction('search', 'content_discovery', {
      query,
      results_count: results.length,
      filters_used: activeFilters
    });
    
    // Perform search...
  };

  const sendEndorsementRequest = async (data) => {
    tracker.trackAction('request_endorsement', 'engagement', {
      endorser_id: data.endorserId,
      skill: data.skill,
      relationship: data.relationship
    });
    
    // Send request...
  };

  return (
    <>
      <Button 
        onClick={() => {
          tracker.trackAction('click_create_project', 'engagement', {
            button_location: 'dashboard',
            user_role: userRole
          });
          handleCreate();
        }}
      >
        Create Project
      </Button>
      <Button onClick={() => handleSearch("rust")}>Search</Button>
      <Button onClick={() => sendEndorsementRequest({ endorserId: "bob", skill: "sql", relationship: "colleague" })}>
        Ask
      </Button>
      <Button onClick={() => location.go("/profiles/ann")}>Ann's profile</Button>
      <Button onClick={() => location.go("/dashboard")}>Close</Button>
      {location.pathname === "/profiles/ann" && <ProfilePage profileId="ann" />}
    </>
  );
}

function Item({ number }: { number: number }) {
  useContentView("project", `item ${number}`, { feedId: "f-1", position: number });
  return <p>{number}</p>;
}

function Hooks() {
  const location = useLocation();
  const [number, show] = useState(0);
  usePageViews(location.pathname);
  return (
    <>
      <Button onClick={() => show(1)}>Next item</Button>
      <Button onClick={() => location.go("/hooks/1")}>Next path</Button>
      <Button onClick={() => show(-1)}>Gone</Button>
      {number >= 0 && <Item number={number} />}
    </>
  );
}

createRoot(document.getElementById("root")!).render(window.location.pathname === "/hooks" ? <Hooks /> : <Dashboard />);
