import { useRef, useState } from "react";
import { ApiError, actOnRun, deleteRun } from "../api/client";
import type { RunState } from "../api/types";
import { navigate } from "../router";
import { Menu } from "../ui/Menu";
import { RunAgain } from "./RunAgain";

const FORMATS = [
  ["txt", "Plain text"],
  ["srt", "SRT subtitles"],
  ["vtt", "WebVTT subtitles"],
  ["json", "JSON with times"],
  ["tsv", "TSV table"],
] as const;

/** What can be done with the run as it stands. */
export function Actions({
  id,
  root,
  state,
  isTranscript,
  onChanged,
}: {
  id: string;
  /** The entrypoint's call; undefined until it is known. */
  root: string | undefined;
  state: RunState;
  isTranscript: boolean;
  onChanged: () => void;
}) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const going = state === "queued" || state === "running";

  async function act(action: () => Promise<unknown>) {
    setBusy(true);
    setProblem("");
    try {
      await action();
      onChanged();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem(error.message);
    }
    setBusy(false);
  }

  return (
    <div className="actions">
      <div className="acts">
        {state === "succeeded" && isTranscript && <Downloads id={id} />}
        {going && (
          <button
            type="button"
            className="btn"
            disabled={busy}
            onClick={() => act(() => actOnRun(id, "cancel"))}
          >
            Cancel
          </button>
        )}
        {(state === "failed" || state === "cancelled") && (
          <button
            type="button"
            className="btn main"
            disabled={busy}
            onClick={() => act(() => actOnRun(id, "resume"))}
          >
            Resume
          </button>
        )}
        {!going && root && <RunAgain runId={id} from={root} words="Run again" />}
        <DeleteButton id={id} going={going} />
      </div>
      {problem !== "" && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

/** Plain links: the server writes the files, nothing is built in the browser. */
function Downloads({ id }: { id: string }) {
  return (
    <Menu name="Download" icon="download">
      {FORMATS.map(([format, words]) => (
        <li key={format}>
          <a href={`/api/runs/${id}/transcript.${format}?download=1`} download>
            <b>{format.toUpperCase()}</b> {words}
          </a>
        </li>
      ))}
    </Menu>
  );
}

function DeleteButton({ id, going }: { id: string; going: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState("");

  async function remove() {
    try {
      await deleteRun(id);
      navigate("/");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem(error.message);
    }
  }

  return (
    <>
      <button type="button" className="btn" onClick={() => dialog.current?.showModal()}>
        Delete
      </button>
      <dialog ref={dialog} className="card" aria-labelledby="delete-run">
        <h2 id="delete-run">Delete this run?</h2>
        <p>
          {going && "It is stopped first. "}
          Its result goes for good, and so does its recording unless another run uses it.
        </p>
        {problem !== "" && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <div className="acts">
          <button type="button" className="btn" onClick={() => dialog.current?.close()}>
            Keep it
          </button>
          <button type="button" className="btn danger" onClick={remove}>
            Delete for good
          </button>
        </div>
      </dialog>
    </>
  );
}
