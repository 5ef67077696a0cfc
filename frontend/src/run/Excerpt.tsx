import { type FormEvent, useEffect, useState } from "react";
import { ApiError, getRun, randomKey, startRun } from "../api/client";
import type { Run, StoredFile } from "../api/types";
import { bytes, parseTime, stamp } from "../ui/format";
import { Notice } from "../ui/Notice";
import { innermost } from "./errors";
import { isOver } from "./useRun";

const LONGEST = 600; // seconds; the chain refuses more

type Job =
  | { step: "asked" }
  | { step: "running"; run: Run }
  | { step: "done"; file: StoredFile }
  | { step: "failed"; words: string };

/** Cuts a stretch of the recording out as a sound file of its own, by the chain made for it. */
export function Excerpt({
  fileId,
  title,
  from,
  duration,
  onClose,
}: {
  fileId: string;
  title: string;
  /** Seconds: where the player stands, as a first guess. */
  from: number;
  duration: number;
  onClose: () => void;
}) {
  const [start, setStart] = useState(() => stamp(from));
  const [end, setEnd] = useState(() => stamp(Math.min(duration, Math.floor(from) + 30)));
  const [job, setJob] = useState<Job | null>(null);
  const working = job?.step === "asked" || job?.step === "running";
  const run = job?.step === "running" ? job.run : null;

  useEffect(() => {
    if (run === null) return;
    const timer = setTimeout(() => {
      getRun(run.id).then(
        (fresh) => setJob(outcome(fresh)),
        (error: unknown) => setJob(afterTrouble(error, run)),
      );
    }, 700);
    return () => clearTimeout(timer);
  }, [run]);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const wrong = fault(parseTime(start), parseTime(end), duration);
    if (wrong !== "") return setJob({ step: "failed", words: wrong });
    setJob({ step: "asked" });
    const input = { audio: fileId, start: parseTime(start), end: parseTime(end) };
    try {
      const name = `${title}, ${start} to ${end}`;
      setJob(outcome(await startRun({ chain: "excerpt", input, title: name }, randomKey())));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const fields = Object.values(error.errors).flat().join(" ");
      setJob({ step: "failed", words: fields || error.message });
    }
  }

  return (
    <form className="excerpt" aria-label="Save excerpt" onSubmit={submit} noValidate>
      <label>
        From
        <input value={start} inputMode="text" onChange={(event) => setStart(event.target.value)} />
      </label>
      <label>
        To
        <input value={end} inputMode="text" onChange={(event) => setEnd(event.target.value)} />
      </label>
      <button type="submit" className="btn main" disabled={working}>
        {working ? "Cutting…" : "Cut it out"}
      </button>
      <button type="button" className="btn quiet" onClick={onClose}>
        Close
      </button>
      <div className="outcome" role="status">
        {job?.step === "failed" && <Notice tone="bad">{job.words}</Notice>}
        {job?.step === "done" && (
          <a href={`${job.file.url}?download=1`} download>
            {job.file.name}, {bytes(job.file.size)}
          </a>
        )}
      </div>
    </form>
  );
}

/** What is wrong with the stretch, or nothing. */
export function fault(start: number | null, end: number | null, duration: number): string {
  if (start === null || end === null) {
    return "Write both times as minutes and seconds, such as 1:05, or as seconds.";
  }
  if (end <= start) return "The end must lie after the start.";
  if (duration > 0 && start >= duration) return `The recording ends at ${stamp(duration)}.`;
  if (end - start > LONGEST)
    return "An excerpt is at most ten minutes long. Choose a shorter stretch.";
  return "";
}

function outcome(run: Run): Job {
  if (!isOver(run.state)) return { step: "running", run };
  if (run.state === "succeeded") return { step: "done", file: fileOf(run) };
  const words = run.error ? innermost(run.error).message : "The excerpt was cancelled.";
  return { step: "failed", words };
}

/** A File in an output is a handle; its content lies at the address of its id. */
function fileOf(run: Run): StoredFile {
  const file = run.output as unknown as StoredFile;
  return { ...file, url: `/api/files/${file.id}/content` };
}

function afterTrouble(error: unknown, run: Run): Job {
  if (!(error instanceof ApiError)) throw error;
  // A server that is away for a moment still cuts; ask again.
  if (error.offline) return { step: "running", run: { ...run } };
  return { step: "failed", words: error.message };
}
