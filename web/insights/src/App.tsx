import { lazy, type ReactNode, Suspense, useEffect, useRef } from "react";
import { Link, Redirect, Route, Router, Switch, useLocation } from "wouter";
import { usePathname } from "wouter/use-browser-location";

import { useAddress } from "./address/address.ts";
import { Head } from "./parts/Head.tsx";
import { Gate, useOperator } from "./session/Gate.tsx";
import { ThemeSwitch } from "./theme/ThemeSwitch.tsx";
import { Live } from "./views/live/Live.tsx";

// What charts are drawn with is loaded for who opens a report.
const reports = {
  Activity: lazy(() => import("./views/activity/Activity.tsx")),
  Sessions: lazy(() => import("./views/sessions/Sessions.tsx")),
  Funnel: lazy(() => import("./views/funnel/Funnel.tsx")),
  Retention: lazy(() => import("./views/retention/Retention.tsx")),
  Paths: lazy(() => import("./views/paths/Paths.tsx")),
  Content: lazy(() => import("./views/content/Content.tsx")),
  Recommendations: lazy(() => import("./views/recommendations/Recommendations.tsx")),
};
const People = lazy(() => import("./views/people/People.tsx"));
const Person = lazy(() => import("./views/person/Person.tsx"));
const Health = lazy(() => import("./views/health/Health.tsx"));

export function App() {
  return (
    <Router base="/insights">
      <Gate>
        <Frame>
          <Suspense fallback={<p className="waiting">Loading…</p>}>
            <Switch>
              <Route path="/live" component={Live} />
              <Route path="/people" component={People} />
              <Route path="/people/:user" component={Named} />
              {Object.entries(reports).map(([name, report]) => (
                <Route key={name} path={`/${name.toLowerCase()}`} component={report} />
              ))}
              <Route path="/health" component={Health} />
              <Route path="/">
                <Redirect to="/live" replace />
              </Route>
              <Route>
                <Head title="There is no such view" />
                <p>
                  <Link href="/live">See what happens now</Link>, or choose a report.
                </p>
              </Route>
            </Switch>
          </Suspense>
        </Frame>
      </Gate>
    </Router>
  );
}

/** The person of the address, whose id may hold what the router leaves encoded: `@`, `/`, `%`. */
function Named() {
  const user = lastOf(usePathname());
  return <Person key={user} user={user} />;
}

function lastOf(path: string): string {
  const last = path.replace(/\/$/, "").split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

function Frame({ children }: { children: ReactNode }) {
  const { name, signOut } = useOperator();
  const { shared } = useAddress();
  const [path] = useLocation();
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    const here = nav.current?.querySelector<HTMLElement>("[aria-current]");
    // On a phone the views are a row that is wider than the screen.
    if (here) nav.current?.scrollTo({ left: here.offsetLeft - nav.current.clientWidth / 2 });
  }, [path]);
  const link = (to: string, text: string) => (
    <Link href={to + shared} aria-current={path === to || path.startsWith(`${to}/`) ? "page" : undefined}>
      {text}
    </Link>
  );
  return (
    <div className="frame">
      <a className="skip" href="#main">
        Skip to the view
      </a>
      <header>
        <Link href={`/live${shared}`} className="brand">
          <img src={new URL("./icon.svg", import.meta.url).href} alt="" width="28" height="28" />
          Footfall
        </Link>
        <nav ref={nav} aria-label="Views">
          {link("/live", "Live")}
          {link("/people", "People")}
          <h2>Reports</h2>
          {Object.keys(reports).map((report) => (
            <span key={report}>{link(`/${report.toLowerCase()}`, report)}</span>
          ))}
          <h2>System</h2>
          {link("/health", "Health")}
        </nav>
        <div className="foot">
          <ThemeSwitch />
          <span className="who" title={name}>
            {name}
          </span>
          <button type="button" className="plain" onClick={signOut}>
            Sign out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}
