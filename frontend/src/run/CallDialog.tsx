import { useEffect, useRef } from "react";
import { plural } from "../ui/format";
import { Icon } from "../ui/Icon";
import { CallDetails } from "./CallDetails";
import type { Invocation } from "./fold";
import { RunAgain } from "./RunAgain";

const MOST_CALLS = 50;

/** Calls of one chainlet, opened over the page; they go on growing while they work. */
export function CallDialog({
  chainlet,
  calls,
  begin,
  over,
  onClose,
}: {
  chainlet: string;
  /** Each with its id. */
  calls: readonly [string, Invocation][];
  /** Where the run's time begins, in milliseconds since the epoch. */
  begin: number;
  /** The run's id once it has ended: then each call can be run again. */
  over: string | null;
  onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="card calls" aria-labelledby="calls" onClose={onClose}>
      <div className="calls-head">
        <h2 id="calls">{chainlet}</h2>
        <button type="button" className="btn quiet" onClick={() => dialog.current?.close()}>
          <Icon name="close" /> Close
        </button>
      </div>
      {calls.slice(0, MOST_CALLS).map(([id, call]) => (
        <CallDetails key={id} call={call} begin={begin}>
          {over !== null && (
            <div>
              <RunAgain runId={over} from={id} words="Run again from here" />
            </div>
          )}
        </CallDetails>
      ))}
      {calls.length > MOST_CALLS && (
        <p className="hint">
          The first {MOST_CALLS} of {plural(calls.length, "call")}; the table of tries opens each.
        </p>
      )}
    </dialog>
  );
}
