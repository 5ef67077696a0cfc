/** How far a transcription is, how fast it goes and how long it still takes: from events alone. */
import type { RunView } from "./fold";

export interface Outlook {
  /** Seconds of the file that have been heard. */
  heard: number;
  /** Seconds of the whole file. */
  total: number;
  /** Seconds of the file heard per second of work; null until two pieces are done. */
  speed: number | null;
  /** Seconds of work still to come; null until two pieces are done. */
  left: number | null;
}

const WINDOW = 20; // pieces: long enough to be calm, short enough to notice a worker come or go

/** The outlook of a run with planned pieces, else null. */
export function outlook(view: RunView): Outlook | null {
  if (view.pieces.length === 0 || view.duration === null) return null;
  const total = view.duration;
  const speech = sum(view.pieces);
  const done = sum(view.pieces.filter((piece) => piece.done));
  // Silence between the pieces counts as heard together with the speech around it.
  const stretch = speech > 0 ? total / speech : 1;
  const pace = speechPerSecond(view);
  return {
    heard: Math.min(total, done * stretch),
    total,
    speed: pace === null ? null : pace * stretch,
    left: pace === null ? null : (speech - done) / pace,
  };
}

/** Measured over the last pieces of the attempt now at it, so a pause before a resume does not count. */
function speechPerSecond(view: RunView): number | null {
  const invocations = Object.values(view.invocations);
  const root = invocations.find((invocation) => invocation.parent === null);
  const since = time(root?.attempts.at(-1)?.started_at);
  const finished = view.pieces
    .filter((piece) => piece.done && time(piece.done_at) >= since)
    .sort((a, b) => time(a.done_at) - time(b.done_at));
  const last = finished.at(-1);
  if (finished.length < 2 || last === undefined) return null;
  const before = finished.at(-WINDOW - 1);
  const begin = before ? time(before.done_at) : firstStart(view, since);
  const elapsed = (time(last.done_at) - begin) / 1000;
  return elapsed > 0 ? sum(finished.slice(-WINDOW)) / elapsed : null;
}

/** When the first piece was begun: the earliest start of the chainlet that is called the most. */
function firstStart(view: RunView, since: number): number {
  const name = fanOut(view);
  const starts = Object.values(view.invocations)
    .filter((invocation) => invocation.chainlet === name)
    .flatMap((invocation) => invocation.attempts.map((attempt) => time(attempt.started_at)))
    .filter((start) => start >= since);
  return Math.min(...starts);
}

/** The chainlet with the most invocations. */
export function fanOut(view: RunView): string {
  const counts = new Map<string, number>();
  for (const { chainlet } of Object.values(view.invocations)) {
    counts.set(chainlet, (counts.get(chainlet) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
}

function sum(pieces: { start: number; end: number }[]): number {
  return pieces.reduce((seconds, piece) => seconds + piece.end - piece.start, 0);
}

function time(iso: string | null | undefined): number {
  return iso ? Date.parse(iso) : 0;
}
