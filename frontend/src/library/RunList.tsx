import type { Run } from "../api/types";
import { Link } from "../router";
import { innermost } from "../run/errors";
import { filesIn } from "../run/files";
import { Bar } from "../ui/Bar";
import { ago, bytes, clock, moment, span } from "../ui/format";
import { StatePill } from "../ui/StatePill";

export function RunList({ runs, now }: { runs: readonly Run[]; now: number }) {
  return (
    <ul className="card list runs" aria-label="Runs">
      {runs.map((run) => (
        <li key={run.id} className="it">
          <div className="what">
            <Link to={`/runs/${run.id}`} className="t">
              {run.title || run.chain}
            </Link>
            <small>{aside(run)}</small>
          </div>
          <div className="far">
            {run.state === "running" && (
              <>
                <Bar value={fraction(run)} label={`Progress of ${run.title || run.chain}`} />
                <small>{progressWords(run)}</small>
              </>
            )}
          </div>
          <StatePill state={run.state} chain={run.chain} />
          <span className="r">{length(run)}</span>
          <time className="r" dateTime={run.created_at} title={moment(run.created_at)}>
            {ago(run.created_at, now)}
          </time>
        </li>
      ))}
    </ul>
  );
}

/** The sentence that says the most: what is wrong, what it waits for, or how the text begins. */
function aside(run: Run): string {
  if (run.state === "failed" && run.error) return innermost(run.error).message;
  const queue = run.waiting_for[0]?.queue;
  if (queue !== undefined && (run.state === "queued" || run.state === "running")) {
    return `Waiting for a worker that serves ${queue}. None is connected.`;
  }
  if (run.warnings[0] !== undefined) return run.warnings[0];
  if (run.state === "succeeded") return beginning(run);
  if (run.state === "cancelled") return "Stopped before the end. It can be resumed.";
  if (run.state === "queued") return "Starts as soon as a worker is free.";
  return run.files[0]?.name ?? run.chain;
}

function beginning(run: Run): string {
  const output = run.output;
  if (output === null) return "";
  const [file] = filesIn(output);
  if (file && run.chain !== "transcribe") return `${file.name}, ${bytes(file.size)}`;
  if (typeof output === "object" && !Array.isArray(output) && typeof output.text === "string") {
    return output.text.trim().slice(0, 240) || "No speech was found.";
  }
  return `${run.chain}: ${typeof output === "string" ? output : JSON.stringify(output)}`.slice(
    0,
    240,
  );
}

function fraction(run: Run): number | null {
  const { progress } = run;
  return progress && progress.total > 0 ? progress.done / progress.total : null;
}

function progressWords(run: Run): string {
  const { progress } = run;
  if (progress === null) return "Just begun";
  if (run.chain !== "transcribe") {
    return progress.message || `${progress.done} of ${progress.total}`;
  }
  const far = `${clock(progress.done)} of ${clock(progress.total)}`;
  return progress.message === "Decoding" ? `Decoding, ${far}` : `${far} heard`;
}

/** Of the recording, once known; else how long a finished run took. */
function length(run: Run): string {
  const output = run.output;
  if (output && typeof output === "object" && !Array.isArray(output)) {
    if (typeof output.duration === "number") return clock(output.duration);
  }
  if (run.chain === "transcribe") return run.progress ? clock(run.progress.total) : "";
  if (run.started_at === null || run.ended_at === null) return "";
  return span((Date.parse(run.ended_at) - Date.parse(run.started_at)) / 1000);
}
