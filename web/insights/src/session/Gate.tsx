import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";

import { type Connection, Failure } from "../api/answers.ts";
import { type Api, createApi } from "../api/client.ts";
import { Session } from "./session.ts";

interface Operator {
  name: string;
  api: Api;
  connection: Connection;
  signOut: () => void;
}

const Signed = createContext<Operator | undefined>(undefined);

/** Who is signed in; only under a `Gate`. */
export function useOperator(): Operator {
  const operator = useContext(Signed);
  if (!operator) throw new Error("nobody is signed in here");
  return operator;
}

// Once for a page: the code of a sign-in is good once.
let opening: Promise<Session> | undefined;

/** Shows what is inside to who is signed in, and the way in to everybody else. */
export function Gate({ children }: { children: ReactNode }) {
  const [session, setSession] = useState<Session>();
  const [failure, setFailure] = useState<Failure>();
  const [name, setName] = useState<string>();

  useEffect(() => {
    (opening ??= Session.open()).then((opened) => {
      setSession(opened);
      setName(opened.name);
    }, setFailure);
  }, []);

  const operator = useMemo(() => {
    if (!session || !name) return undefined;
    const getToken = () =>
      session.token().catch((error: unknown) => {
        setName(undefined);
        throw error;
      });
    const connection = { endpoint: location.origin, getToken };
    const signOut = () => void session.signOut().then(() => setName(undefined));
    return { name, connection, api: createApi(connection), signOut };
  }, [session, name]);

  if (operator) return <Signed value={operator}>{children}</Signed>;
  return (
    <main className="gate">
      <img src={new URL("../icon.svg", import.meta.url).href} alt="" width="56" height="56" />
      <h1>Footfall</h1>
      <p>What the users of your product do, while they do it.</p>
      {failure && (
        <p className="failure" role="alert">
          {failure.message}
        </p>
      )}
      {session ? (
        <button type="button" className="primary" onClick={() => void session.signIn().catch(setFailure)}>
          Sign in
        </button>
      ) : failure ? (
        <button type="button" onClick={() => location.reload()}>
          Try again
        </button>
      ) : (
        <p role="status">One moment…</p>
      )}
    </main>
  );
}
