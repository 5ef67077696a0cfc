import { Bar } from "../ui/Bar";
import { about, clock, span } from "../ui/format";
import { useThrottled } from "../ui/hooks";
import type { RunView } from "./fold";
import { type Outlook, outlook } from "./outlook";
import { isOver } from "./useRun";

/** How far, how fast, how long still; its place is kept from the first moment, so nothing moves. */
export function ProgressLine({ view }: { view: RunView }) {
  const ahead = outlook(view);
  const spoken = useThrottled(spokenWords(view, ahead), 10_000);
  const done = fraction(view, ahead);
  const status = (
    <p className="unseen" role="status">
      {spoken}
    </p>
  );
  // What ended before it had got anywhere has no progress to show.
  if (isOver(view.state) && view.state !== "succeeded" && !done) return status;
  return (
    <div className="prog">
      <div className="line">
        <span>{far(view, ahead)}</span>
        <span>{pace(view, ahead)}</span>
      </div>
      {view.state !== "succeeded" && <Bar value={done} label="Progress of the run" />}
      {status}
    </div>
  );
}

function far(view: RunView, ahead: Outlook | null) {
  if (view.state === "succeeded") {
    const took = timeTaken(view);
    return took && view.duration ? (
      <>
        <b>{clock(view.duration)}</b> heard in {took}
      </>
    ) : (
      took && `Done in ${took}`
    );
  }
  if (ahead) {
    return (
      <>
        <b>{clock(ahead.heard)}</b> of {clock(ahead.total)} heard
      </>
    );
  }
  if (view.state === "queued") return "Starts as soon as a worker is free.";
  if (isOver(view.state)) return "";
  const { progress } = view;
  if (progress === null || progress.total <= 0) return view.state === "running" ? "Just begun" : "";
  if (progress.message === "Decoding") {
    return `Decoding, ${clock(progress.done)} of ${clock(progress.total)}`;
  }
  return `${progress.message} ${Math.floor((100 * progress.done) / progress.total)} %`.trim();
}

function pace(view: RunView, ahead: Outlook | null) {
  if (view.state === "succeeded") {
    const seconds = secondsTaken(view);
    return view.duration && seconds ? `${(view.duration / seconds).toFixed(1)} × real time` : "";
  }
  if (view.state !== "running" || ahead === null) return "";
  if (ahead.heard >= ahead.total) return "Joining the text";
  if (ahead.speed === null || ahead.left === null) return "";
  return (
    <>
      {ahead.speed.toFixed(1)} × real time · <b>{about(ahead.left)} left</b>
    </>
  );
}

function fraction(view: RunView, ahead: Outlook | null): number | null {
  if (ahead) return ahead.heard / ahead.total;
  // Decoding is no part of what is heard, so its progress is told in words alone.
  if (view.duration !== null || view.progress?.message === "Decoding") return 0;
  if (view.progress && view.progress.total > 0) return view.progress.done / view.progress.total;
  return view.state === "running" ? null : 0;
}

function spokenWords(view: RunView, ahead: Outlook | null): string {
  if (view.state === "queued") return "The run waits for a worker.";
  if (view.state !== "running")
    return `The run has ${view.state === "succeeded" ? "finished" : view.state === "failed" ? "failed" : "been cancelled"}.`;
  if (ahead === null) return "The run has begun.";
  const left = ahead.left === null ? "" : `, ${about(ahead.left)} left`;
  return `${clock(ahead.heard)} of ${clock(ahead.total)} heard${left}`;
}

function secondsTaken(view: RunView): number | null {
  if (view.started_at === null || view.ended_at === null) return null;
  return (Date.parse(view.ended_at) - Date.parse(view.started_at)) / 1000;
}

function timeTaken(view: RunView): string {
  const seconds = secondsTaken(view);
  return seconds === null ? "" : span(seconds);
}
