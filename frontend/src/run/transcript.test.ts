import { expect, test } from "vitest";
import { EMPTY, type Invocation, type Piece, type RunView } from "./fold";
import { SILENT } from "./said";
import { bars, finalRows, heardStretches, liveEdge, liveRows, spokenAt } from "./transcript";

function piece(index: number, start: number, end: number, text?: string): Piece {
  const segments = text ? [{ start, end, text, confidence: 0.9 }] : [];
  const done = text !== undefined;
  return { index, start, end, done, done_at: null, segments };
}

function call(state: Invocation["state"], tries = 0): Invocation {
  const attempt = {
    worker: "m",
    hardware: "cpu",
    state: "failed" as const,
    queued_at: null,
    started_at: "",
    ended_at: "",
    error: null,
  };
  return {
    chainlet: "WhisperModel",
    parent: "root",
    queue: "gpu.any",
    state,
    attempt: tries,
    waiting: false,
    kept: false,
    queued_at: null,
    ended_at: null,
    error: null,
    ...SILENT,
    attempts: Array.from({ length: tries }, (_, index) => ({ ...attempt, number: index + 1 })),
  };
}

function view(pieces: Piece[], calls: Invocation[] = [], state: RunView["state"] = "running") {
  const invocations = Object.fromEntries(calls.map((one, index) => [`p${index}`, one]));
  return { ...EMPTY, state, pieces, invocations, duration: 100 };
}

test("lines stand where they were spoken, with a hole where text is missing", () => {
  const rows = liveRows(
    view([piece(0, 0, 20, " One. "), piece(1, 21, 40), piece(2, 41, 60, "Three.")]),
  );
  expect(rows.map((row) => (row.kind === "line" ? row.text : [row.start, row.end]))).toEqual([
    "One.",
    [21, 40],
    "Three.",
  ]);
});

test("only holes with text below them keep room", () => {
  const rows = liveRows(view([piece(0, 0, 20), piece(1, 21, 40, "Two."), piece(2, 41, 60)]));
  expect(rows.filter((row) => row.kind === "hole").map((row) => row.reserved)).toEqual([
    true,
    false,
  ]);
});

test("a hole says whether it is being worked at, waits, or is tried again", () => {
  const pieces = [0, 1, 2, 3].map((index) => piece(index, index * 10, index * 10 + 9));
  const calls = [call("running", 1), call("running", 2), call("queued"), call("queued")];
  expect(liveRows(view(pieces, calls))).toMatchObject([
    { start: 0, end: 9, status: "running", note: "" },
    { start: 10, end: 19, status: "running", note: "WhisperModel, second try" },
    { start: 20, end: 39, status: "queued", note: "" },
  ]);
});

test("calls that asked for the language before are not mistaken for pieces", () => {
  const pieces = [piece(0, 0, 9), piece(1, 10, 19)];
  const calls = [call("succeeded", 1), call("running", 1), call("queued")];
  expect(liveRows(view(pieces, calls)).map((row) => row.kind === "hole" && row.status)).toEqual([
    "running",
    "queued",
  ]);
});

test("after the end a hole is text that is missing", () => {
  const rows = liveRows(view([piece(0, 0, 9)], [call("cancelled")], "cancelled"));
  expect(rows).toMatchObject([{ status: "missing" }]);
});

test("low confidence is marked, unknown confidence is not", () => {
  const segment = { start: 0, end: 1, text: "x" };
  const rows = finalRows([
    { ...segment, confidence: 0.3 },
    { ...segment, confidence: 0.8 },
    { ...segment, confidence: null },
  ]);
  expect(rows.map((row) => row.kind === "line" && row.unsure)).toEqual([true, false, false]);
});

test("the line spoken at a time, and none in pauses and holes", () => {
  const rows = liveRows(
    view([piece(0, 1, 10, "One."), piece(1, 20, 30), piece(2, 31, 40, "Three.")]),
  );
  const at = (seconds: number) => spokenAt(rows, seconds);
  expect([0, 1, 11, 15, 25, 31, 99].map(at)).toEqual([
    null,
    "line-1-10",
    "line-1-10",
    null,
    null,
    "line-31-40",
    null,
  ]);
});

test("the live edge is the end of the furthest text", () => {
  expect(liveEdge(view([piece(0, 0, 20), piece(1, 21, 40, "Two.")]))).toBe(40);
  expect(liveEdge(view([]))).toBe(0);
});

test("shading covers silence between done pieces and leaves the holes open", () => {
  const pieces = [
    piece(0, 2, 20, "a"),
    piece(1, 24, 40, "b"),
    piece(2, 44, 60),
    piece(3, 64, 90, "d"),
  ];
  expect(heardStretches(pieces, 100)).toEqual([
    [0, 42],
    [62, 100],
  ]);
});

test("bars keep the loudest of each stretch and fill the height", () => {
  expect(bars([0, 50, 10, 20], 2)).toEqual([1, 0.4]);
  expect(bars([50], 3)).toEqual([1, 1, 1]);
  expect(bars([], 2)).toEqual([0, 0]);
});
