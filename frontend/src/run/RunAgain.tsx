import { useState } from "react";
import { ApiError, rerun } from "../api/client";
import { navigate } from "../router";

/** Starts a new run from one of this run's calls, and goes there; from the entrypoint's, nothing is kept. */
export function RunAgain({ runId, from, words }: { runId: string; from: string; words: string }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");

  async function start() {
    setBusy(true);
    setProblem("");
    try {
      navigate((await rerun(runId, from)).url);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem(error.message);
      setBusy(false);
    }
  }

  return (
    <>
      <button type="button" className="btn" disabled={busy} onClick={start}>
        {words}
      </button>
      {problem !== "" && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}
