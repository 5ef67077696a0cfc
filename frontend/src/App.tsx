import { useCallback, useEffect, useState } from "react";
import { ApiError, getSession, logOut, onSignedOut } from "./api/client";
import type { Session } from "./api/types";
import { busy, setMaxBytes } from "./library/uploads";
import { useRoute } from "./router";
import { LibraryPage } from "./routes/LibraryPage";
import { LoginPage } from "./routes/LoginPage";
import { RunPage } from "./routes/RunPage";
import { UnknownPage } from "./routes/UnknownPage";
import { Shell } from "./Shell";
import { Notice } from "./ui/Notice";

type State = "loading" | "unreachable" | "signed out" | Session;

/** Who is here decides what is shown: the login page at any address, or the page of the address. */
export function App() {
  const [state, setState] = useState<State>("loading");

  const enter = useCallback((session: Session | null) => {
    if (session) setMaxBytes(session.limits.max_upload_bytes);
    setState(session ?? "signed out");
  }, []);

  const look = useCallback(() => {
    getSession().then(enter, (error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      setState("unreachable");
    });
  }, [enter]);

  useEffect(() => {
    onSignedOut(() => setState("signed out"));
    look();
  }, [look]);

  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (busy()) event.preventDefault();
    };
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, []);

  if (state === "loading") return <div className="splash" aria-busy="true" />;
  if (state === "unreachable") {
    return (
      <main className="login">
        <Notice tone="bad" title="The server cannot be reached." alert>
          Check the connection and that the server runs.
        </Notice>
        <button type="button" className="btn main" onClick={look}>
          Try again
        </button>
      </main>
    );
  }
  if (state === "signed out") return <LoginPage onEntered={enter} />;
  const leave = () => logOut().finally(() => setState("signed out"));
  return (
    <Shell session={state} onLogOut={leave}>
      <CurrentPage session={state} />
    </Shell>
  );
}

function CurrentPage({ session }: { session: Session }) {
  const route = useRoute();
  if (route.page === "library") return <LibraryPage key={route.cursor} cursor={route.cursor} />;
  if (route.page === "run") {
    return <RunPage key={route.id} id={route.id} machineHasGpu={session.machine.gpu} />;
  }
  return <UnknownPage />;
}
