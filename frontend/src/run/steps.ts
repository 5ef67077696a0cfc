/** The steps of a run: one line a chainlet, and one bar an attempt packed into lanes. */
import type { AttemptState, Invocation, RunView } from "./fold";

export interface Step {
  chainlet: string;
  queue: string;
  total: number;
  succeeded: number;
  /** At work; an invocation that waits for others is not. */
  running: number;
  waiting: number;
  queued: number;
  failed: number;
  cancelled: number;
  kept: number;
}

/** One step per chainlet, in the order in which they were first called. */
export function steps(view: RunView): Step[] {
  const found = new Map<string, Step>();
  for (const invocation of Object.values(view.invocations)) {
    let step = found.get(invocation.chainlet);
    if (step === undefined) {
      const { chainlet, queue } = invocation;
      const none = { succeeded: 0, running: 0, waiting: 0, queued: 0, failed: 0, cancelled: 0 };
      step = { chainlet, queue, total: 0, kept: 0, ...none };
      found.set(chainlet, step);
    }
    step.total += 1;
    if (invocation.kept) step.kept += 1;
    if (invocation.state === "running" && invocation.waiting) step.waiting += 1;
    else step[invocation.state] += 1;
  }
  return [...found.values()];
}

export type Tone = "wait" | "run" | "ok" | "bad" | "none";

export function stepTone(step: Step): Tone {
  if (step.failed > 0) return "bad";
  if (step.running + step.waiting > 0) return "run";
  if (step.queued > 0) return "wait";
  return step.cancelled > 0 ? "none" : "ok";
}

/** "77 of 115 · 2 now" for a fan-out; a word for a single call. */
export function stepWords(step: Step): string {
  if (step.total === 1) {
    if (step.waiting) return "waits for its steps";
    if (step.running) return "at work";
    if (step.queued) return "waits for a worker";
    if (step.failed) return "failed";
    if (step.cancelled) return "cancelled";
    return step.kept ? "done, kept from before" : "done";
  }
  const parts = [`${step.succeeded} of ${step.total}`];
  if (step.running) parts.push(`${step.running} now`);
  if (step.failed) parts.push(`${step.failed} failed`);
  if (step.cancelled) parts.push(`${step.cancelled} cancelled`);
  if (step.kept) parts.push(`${step.kept} kept from before`);
  return parts.join(" · ");
}

/** How an attempt stands, in words. */
export const ATTEMPT_WORDS: Record<Bar["state"], string> = {
  waiting: "waits for its steps",
  running: "at work",
  succeeded: "done",
  failed: "failed",
  cancelled: "cancelled",
  lost: "its worker was lost",
  handed_back: "handed back",
};

/** One attempt on the time axis; times in milliseconds since the epoch. */
export interface Bar {
  key: string;
  number: number;
  worker: string;
  hardware: string;
  state: AttemptState | "waiting";
  /** The wait in the queue, drawn only where the lane is free. */
  queued: number;
  start: number;
  end: number;
}

export interface Lane {
  chainlet: string;
  /** Since when it has been waiting, while no try of it has begun. */
  waitsSince: number | null;
  rows: Bar[][];
}

export interface Timeline {
  begin: number;
  end: number;
  lanes: Lane[];
}

/**
 * Bars packed into as few rows as they fit in without overlapping, a lane per chainlet.
 * `now` ends what is still open; invocations in the queue show their wait up to `now`.
 */
export function timeline(view: RunView, now: number): Timeline {
  const lanes = new Map<string, Bar[]>();
  const waits = new Map<string, number>();
  let begin = Number.POSITIVE_INFINITY;
  let end = view.ended_at ? Date.parse(view.ended_at) : Math.max(now, lastEnd(view));
  for (const [id, invocation] of Object.entries(view.invocations)) {
    const bars = lanes.get(invocation.chainlet) ?? [];
    lanes.set(invocation.chainlet, bars);
    if (invocation.state === "queued" && invocation.queued_at && !waits.has(invocation.chainlet)) {
      const since = Date.parse(invocation.queued_at);
      waits.set(invocation.chainlet, since);
      begin = Math.min(begin, since);
      end = Math.max(end, since);
    }
    for (const bar of barsOf(id, invocation, end)) {
      begin = Math.min(begin, bar.queued);
      end = Math.max(end, bar.end);
      bars.push(bar);
    }
  }
  if (!Number.isFinite(begin)) begin = view.created_at ? Date.parse(view.created_at) : now;
  return {
    begin,
    end: Math.max(end, begin + 1000),
    lanes: [...lanes].map(([chainlet, bars]) => ({
      chainlet,
      waitsSince: bars.length === 0 ? (waits.get(chainlet) ?? null) : null,
      rows: pack(bars),
    })),
  };
}

/** The clock of this machine may lie behind the server's; what has ended there lies in the past here too. */
function lastEnd(view: RunView): number {
  const attempts = Object.values(view.invocations).flatMap((invocation) => invocation.attempts);
  return attempts.reduce(
    (last, attempt) => (attempt.ended_at ? Math.max(last, Date.parse(attempt.ended_at)) : last),
    0,
  );
}

function barsOf(id: string, invocation: Invocation, now: number): Bar[] {
  return invocation.attempts.map((attempt) => {
    const start = Date.parse(attempt.started_at);
    return {
      key: `${id}/${attempt.number}`,
      number: attempt.number,
      worker: attempt.worker,
      hardware: attempt.hardware,
      state: attempt.state === "running" && invocation.waiting ? "waiting" : attempt.state,
      queued: attempt.queued_at ? Date.parse(attempt.queued_at) : start,
      start,
      end: attempt.ended_at ? Date.parse(attempt.ended_at) : Math.max(start, now),
    };
  });
}

/** First fit by start; a bar's wait is cut back to where its row was last busy. */
function pack(bars: Bar[]): Bar[][] {
  const rows: Bar[][] = [];
  for (const bar of [...bars].sort((a, b) => a.start - b.start)) {
    const row = rows.find((candidate) => (candidate.at(-1)?.end ?? 0) <= bar.start);
    if (row === undefined) {
      rows.push([bar]);
    } else {
      row.push({ ...bar, queued: Math.max(bar.queued, row.at(-1)?.end ?? 0) });
    }
  }
  return rows;
}

/** Queues tagged for a GPU whose work is done by a CPU, with the chainlets that asked. */
export function onCpuInstead(view: RunView): { chainlet: string; queue: string }[] {
  const found = new Map<string, string>();
  for (const { chainlet, queue, attempts } of Object.values(view.invocations)) {
    if (queue.startsWith("gpu.") && attempts.some((attempt) => attempt.hardware === "cpu")) {
      found.set(chainlet, queue);
    }
  }
  return [...found].map(([chainlet, queue]) => ({ chainlet, queue }));
}
