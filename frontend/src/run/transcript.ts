/** The rows of a transcript: lines by start time, and a hole for every stretch that has no text yet. */
import type { Segment } from "../api/types";
import type { Invocation, Piece, RunView } from "./fold";
import { fanOut } from "./outlook";

export interface Line {
  kind: "line";
  key: string;
  start: number;
  end: number;
  text: string;
  unsure: boolean;
}

export interface Hole {
  kind: "hole";
  key: string;
  start: number;
  end: number;
  status: "running" | "queued" | "missing";
  /** What else is to say about it, such as "WhisperModel, second try". */
  note: string;
  /** Text below it is being read, so it keeps about the room its text will need. */
  reserved: boolean;
}

export type Row = Line | Hole;

/** Below this confidence a line is marked as unsure; good speech lies above 0.6. */
export const UNSURE = 0.45;

const ORDINALS = ["", "", "second try", "third try", "fourth try", "fifth try"];

/** Rows while the run goes: the segments of finished pieces between the holes of the others. */
export function liveRows(view: RunView): Row[] {
  const calls = callsOfPieces(view);
  const rows: Row[] = [];
  for (const [index, piece] of view.pieces.entries()) {
    if (piece.done) {
      for (const segment of piece.segments) rows.push(line(segment));
      continue;
    }
    const hole = holeOf(view, piece, calls?.[index]);
    const last = rows.at(-1);
    if (last?.kind === "hole" && last.status === hole.status && last.note === hole.note) {
      last.end = hole.end;
    } else {
      rows.push(hole);
    }
  }
  // Nothing lies below the holes at the end, so they need no room.
  for (let index = rows.length - 1; index >= 0; index--) {
    const row = rows[index];
    if (row?.kind !== "hole") break;
    row.reserved = false;
  }
  return rows;
}

/** Rows of a finished transcript. */
export function finalRows(segments: readonly Segment[]): Row[] {
  return segments.map(line);
}

function line(segment: Segment): Line {
  const { start, end, confidence } = segment;
  return {
    kind: "line",
    key: `line-${start}-${end}`,
    start,
    end,
    text: segment.text.trim(),
    unsure: confidence !== null && confidence < UNSURE,
  };
}

function holeOf(view: RunView, piece: Piece, call: Invocation | undefined): Hole {
  const { start, end } = piece;
  const over = view.state !== "queued" && view.state !== "running";
  const running = call === undefined || call.state === "running";
  let note = "";
  const tries = (call?.attempts.length ?? 0) + (call?.state === "queued" ? 1 : 0);
  if (call && !over && tries > 1) {
    note = `${call.chainlet}, ${ORDINALS[tries] ?? `try ${tries}`}`;
  }
  return {
    kind: "hole",
    key: `hole-${start}`,
    start,
    end,
    status: over ? "missing" : running ? "running" : "queued",
    note,
    reserved: true,
  };
}

/**
 * The invocation behind each piece. Events do not say it, but the chain calls one for each piece, in
 * their order, after it has asked a few for the language. Before all are called there is no telling.
 */
function callsOfPieces(view: RunView): Invocation[] | undefined {
  const name = fanOut(view);
  const calls = Object.values(view.invocations).filter((call) => call.chainlet === name);
  return calls.length < view.pieces.length ? undefined : calls.slice(-view.pieces.length);
}

/** The end of the last text there is, in seconds; 0 before the first. */
export function liveEdge(view: RunView): number {
  return Math.max(0, ...view.pieces.filter((piece) => piece.done).map((piece) => piece.end));
}

/** The key of the line spoken at `seconds`, or null in a pause or a hole. */
export function spokenAt(rows: readonly Row[], seconds: number): string | null {
  // A player that was sent to the start of a line may stand a hair before it.
  const now = seconds + 0.02;
  let low = 0;
  let high = rows.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.start ?? 0) <= now) low = middle + 1;
    else high = middle - 1;
  }
  const row = rows[high];
  return row?.kind === "line" && seconds < row.end + 1.5 ? row.key : null;
}

/** Done pieces joined over the silence between them: what the waveform shades, in seconds. */
export function heardStretches(pieces: readonly Piece[], duration: number): [number, number][] {
  const stretches: [number, number][] = [];
  for (const [index, piece] of pieces.entries()) {
    if (!piece.done) continue;
    const before = pieces[index - 1];
    const after = pieces[index + 1];
    const from = before ? (before.end + piece.start) / 2 : 0;
    const to = after ? (piece.end + after.start) / 2 : duration;
    const last = stretches.at(-1);
    if (last && last[1] >= from) last[1] = to;
    else stretches.push([from, to]);
  }
  return stretches;
}

/** `count` bar heights from 0 to 1, each the loudest of its stretch, scaled so the loudest is 1. */
export function bars(peaks: readonly number[], count: number): number[] {
  const loudest = Math.max(1, ...peaks);
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor((index * peaks.length) / count);
    const to = Math.max(from + 1, Math.floor(((index + 1) * peaks.length) / count));
    return Math.max(0, ...peaks.slice(from, to)) / loudest;
  });
}
