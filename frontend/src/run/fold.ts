/**
 * The fold of a run's events: everything the run page shows comes out of this one function.
 * Its twin is webapp/runs/fold.py; tests/data/fold_cases.json holds both to the same answers.
 */
import type { ErrorTree, Progress, RunEvent, RunState, Segment, Wait } from "../api/types";
import { type Said, SILENT, said, text } from "./said";

export type AttemptState =
  | "running"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "lost"
  | "handed_back";

export interface Attempt {
  number: number;
  worker: string;
  hardware: string;
  state: AttemptState;
  queued_at: string | null;
  started_at: string;
  ended_at: string | null;
  error: ErrorTree | null;
}

export interface Invocation extends Said {
  chainlet: string;
  parent: string | null;
  queue: string;
  state: RunState;
  /** Number of the newest; 0 before the first. */
  attempt: number;
  waiting: boolean;
  kept: boolean;
  queued_at: string | null;
  ended_at: string | null;
  error: ErrorTree | null;
  attempts: Attempt[];
}

/** A stretch of speech, in seconds of the file. */
export interface Piece {
  index: number;
  start: number;
  end: number;
  done: boolean;
  done_at: string | null;
  segments: Segment[];
}

export interface RunView {
  seq: number;
  chain: string;
  version: number | null;
  title: string;
  state: RunState;
  created_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  progress: Progress | null;
  warnings: string[];
  /** Queues that no live worker serves, with what waits there. */
  waiting_for: Wait[];
  error: ErrorTree | null;
  invocations: Record<string, Invocation>;
  duration: number | null;
  peaks: { id: string; per_second: number } | null;
  language: { language: string; probability: number } | null;
  pieces: Piece[];
}

export const EMPTY: RunView = {
  seq: 0,
  chain: "",
  version: null,
  title: "",
  state: "queued",
  created_at: null,
  started_at: null,
  ended_at: null,
  progress: null,
  warnings: [],
  waiting_for: [],
  error: null,
  invocations: {},
  duration: null,
  peaks: null,
  language: null,
  pieces: [],
};

/** The view after `events`, given in rising order of seq. Events it already holds change nothing. */
export function fold(view: RunView, events: readonly RunEvent[]): RunView {
  const fresh = events.filter((event) => event.seq > view.seq);
  if (fresh.length === 0) return view;
  // One copy for the whole batch: hours of audio make thousands of events.
  const next: RunView = { ...view, invocations: { ...view.invocations } };
  for (const event of fresh) {
    if (event.seq <= next.seq) continue;
    next.seq = event.seq;
    if (event.type.startsWith("run.")) foldRun(next, event);
    else if (event.type.startsWith("invocation.") || event.type === "log")
      foldInvocation(next, event);
    else if (event.type === "partial") foldPartial(next, event);
    else if (event.type === "progress") next.progress = event.data as unknown as Progress;
    else if (event.type === "warning") {
      const message = text(event.data.message);
      if (!next.warnings.includes(message)) next.warnings = [...next.warnings, message];
    }
  }
  return next;
}

function foldRun(view: RunView, { type, at, data }: RunEvent): void {
  switch (type) {
    case "run.created":
      view.chain = text(data.chain);
      view.version = data.version as number;
      view.title = text(data.title);
      view.created_at = at;
      return;
    case "run.started":
      view.state = "running";
      view.started_at ??= at;
      return;
    case "run.resumed":
      view.state = "queued";
      view.ended_at = null;
      view.error = null;
      view.waiting_for = [];
      return;
    case "run.unserved":
      view.waiting_for = data.queues as unknown as Wait[];
      return;
    case "run.failed":
      view.error = (data.error ?? null) as ErrorTree | null;
      break;
    case "run.succeeded":
    case "run.cancelled":
      break;
    default:
      return;
  }
  view.state = type.slice("run.".length) as RunState;
  view.ended_at = at;
  view.waiting_for = [];
}

function foldInvocation(view: RunView, { type, at, invocation: id, data }: RunEvent): void {
  if (id === null) return;
  if (type === "invocation.queued") {
    view.invocations[id] = {
      chainlet: text(data.chainlet),
      parent: (data.parent ?? null) as string | null,
      queue: text(data.queue),
      state: "queued",
      attempt: 0,
      waiting: false,
      kept: false,
      queued_at: at,
      ended_at: null,
      error: null,
      ...SILENT,
      attempts: [],
    };
    return;
  }
  const before = view.invocations[id];
  if (before === undefined) return;
  view.invocations[id] = { ...before, ...invocationChange(before, type, at, data) };
}

function invocationChange(
  before: Invocation,
  type: string,
  at: string,
  data: RunEvent["data"],
): Partial<Invocation> {
  const error = (data.error ?? null) as ErrorTree | null;
  const again = { state: "queued", waiting: false, queued_at: at, ended_at: null } as const;
  const over = { waiting: false, ended_at: at };
  switch (type) {
    case "invocation.started": {
      const attempt: Attempt = {
        number: data.attempt as number,
        worker: text(data.worker),
        hardware: text(data.hardware),
        state: "running",
        queued_at: before.queued_at,
        started_at: at,
        ended_at: null,
        error: null,
      };
      const attempts = [...close(before.attempts, "lost", at, null), attempt];
      return { state: "running", waiting: false, attempt: attempt.number, output: null, attempts };
    }
    case "invocation.waiting":
      return { waiting: true };
    case "invocation.succeeded":
      return {
        ...over,
        state: "succeeded",
        attempts: close(before.attempts, "succeeded", at, null),
      };
    case "invocation.failed": {
      const end = data.reason === "worker_lost" ? "lost" : "failed";
      const attempts = close(before.attempts, end, at, error);
      if (typeof data.retry_in === "number") return { ...again, attempts };
      return { ...over, state: "failed", error, attempts };
    }
    case "invocation.requeued": {
      const end = data.reason === "handed_back" ? "handed_back" : "lost";
      return { ...again, error: null, attempts: close(before.attempts, end, at, null) };
    }
    case "invocation.cancelled":
      return {
        ...over,
        state: "cancelled",
        attempts: close(before.attempts, "cancelled", at, null),
      };
    case "invocation.kept":
      return { kept: true };
    default:
      return said(before, type, at, data);
  }
}

/** Ends the last attempt if it is still open; earlier ones are closed already. */
function close(
  attempts: Attempt[],
  state: AttemptState,
  at: string,
  error: ErrorTree | null,
): Attempt[] {
  const last = attempts.at(-1);
  if (last === undefined || last.ended_at !== null) return attempts;
  return [...attempts.slice(0, -1), { ...last, state, ended_at: at, error }];
}

function foldPartial(view: RunView, { at, data }: RunEvent): void {
  switch (data.kind) {
    case "audio":
      view.duration = data.duration as number;
      view.peaks = (data.peaks ?? null) as RunView["peaks"];
      return;
    case "language":
      view.language = {
        language: text(data.language),
        probability: data.probability as number,
      };
      return;
    case "plan": {
      // A recording is planned while it is decoded: these are the pieces from `first` on.
      const first = (data.first ?? 0) as number;
      const planned = (data.pieces as [number, number][]).map(([start, end], at): Piece => {
        const index = first + at;
        const old = view.pieces.find((piece) => piece.index === index);
        const same = old?.done && old.start === start && old.end === end;
        return same ? old : { index, start, end, done: false, done_at: null, segments: [] };
      });
      view.pieces = [...view.pieces.filter((piece) => piece.index < first), ...planned];
      return;
    }
    case "piece": {
      const old = view.pieces.find((piece) => piece.index === data.index);
      const piece: Piece = {
        index: data.index as number,
        start: data.start as number,
        end: data.end as number,
        done: true,
        done_at: old?.done_at ?? at,
        segments: (data.segments ?? []) as unknown as Segment[],
      };
      view.pieces = [...view.pieces.filter((other) => other !== old), piece].sort(
        (a, b) => a.index - b.index,
      );
      return;
    }
  }
}
