import { type FormEvent, useState } from "react";
import { ApiError, logIn } from "../api/client";
import type { Session } from "../api/types";
import { useTitle } from "../ui/hooks";
import { Mark } from "../ui/Icon";

export function LoginPage({ onEntered }: { onEntered: (session: Session | null) => void }) {
  useTitle("Log in");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const username = String(form.get("username")).trim();
    const password = String(form.get("password"));
    if (username === "" || password === "") {
      setProblem("Enter both your name and your password.");
      return;
    }
    setBusy(true);
    setProblem("");
    try {
      const session = await logIn(username, password);
      if (session === null) {
        setProblem(
          "The server accepted the login, but the browser did not keep it. Allow cookies for this site.",
        );
      }
      if (session !== null) return onEntered(session);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem(error.message);
    }
    setBusy(false);
  }

  return (
    <main className="login">
      <h1>
        <Mark />
        Chainlets
      </h1>
      <form className="card" onSubmit={submit} noValidate>
        <label>
          Name
          <input name="username" autoComplete="username" autoCapitalize="none" required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {problem !== "" && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" className="btn main" disabled={busy}>
          {busy ? "Logging in…" : "Log in"}
        </button>
      </form>
      <p className="hint">
        The first start of the server printed the name and password of its first user.
      </p>
    </main>
  );
}
