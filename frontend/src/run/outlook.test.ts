import { expect, test } from "vitest";
import type { RunEvent } from "../api/types";
import { EMPTY, fold } from "./fold";
import { outlook } from "./outlook";

const ZERO = Date.parse("2030-01-01T10:00:00Z");

/** Builds events from [seconds, type, invocation, data]. */
function view(...lines: [number, string, string | null, object?][]) {
  const events = lines.map(([at, type, invocation, data], index) => ({
    seq: index + 1,
    at: new Date(ZERO + at * 1000).toISOString(),
    type,
    invocation,
    data: data ?? {},
  }));
  return fold(EMPTY, events as RunEvent[]);
}

// 100 s of audio, of which 80 s are speech in four pieces of 20 s.
const begun = [
  [0, "run.started", null],
  [0, "invocation.queued", "root", { chainlet: "Transcribe", parent: null }],
  [0, "invocation.started", "root", { attempt: 1 }],
  [1, "partial", "root", { kind: "audio", duration: 100 }],
  [
    1,
    "partial",
    "root",
    {
      kind: "plan",
      pieces: [
        [0, 20],
        [25, 45],
        [50, 70],
        [75, 95],
      ],
    },
  ],
  [1, "invocation.queued", "p0", { chainlet: "WhisperModel", parent: "root" }],
  [1, "invocation.queued", "p1", { chainlet: "WhisperModel", parent: "root" }],
  [2, "invocation.started", "p0", { attempt: 1 }],
] as [number, string, string | null, object?][];
const piece = (at: number, index: number): [number, string, string, object] => [
  at,
  "partial",
  "root",
  { kind: "piece", index, start: index * 25, end: index * 25 + 20, segments: [] },
];

test("without a plan there is no outlook", () => {
  expect(outlook(view(...begun.slice(0, 4)))).toBeNull();
});

test("one piece says how much is heard, and no guess at the rest", () => {
  expect(outlook(view(...begun, piece(6, 0)))).toEqual({
    heard: 25,
    total: 100,
    speed: null,
    left: null,
  });
});

test("two pieces in eight seconds: five seconds of speech a second, 40 s of speech to go", () => {
  expect(outlook(view(...begun, piece(6, 0), piece(10, 1)))).toEqual({
    heard: 50,
    total: 100,
    speed: 6.25,
    left: 8,
  });
});

test("when all is heard nothing is left", () => {
  const all = outlook(view(...begun, piece(6, 0), piece(10, 1), piece(14, 2), piece(18, 3)));
  expect(all).toMatchObject({ heard: 100, left: 0 });
});

test("the pause before a resume does not count as work", () => {
  const resumed = view(
    ...begun,
    piece(6, 0),
    piece(10, 1),
    [11, "run.cancelled", null],
    [3600, "run.resumed", null],
    [3600, "invocation.started", "root", { attempt: 2 }],
    [3601, "invocation.started", "p1", { attempt: 2 }],
    piece(3605, 2),
  );
  expect(outlook(resumed)).toMatchObject({ heard: 75, speed: null });
  const later = fold(resumed, [
    {
      seq: 99,
      at: new Date(ZERO + 3609_000).toISOString(),
      type: "partial",
      invocation: "root",
      data: { kind: "piece", index: 3, start: 75, end: 95, segments: [] },
    },
  ]);
  expect(outlook(later)).toMatchObject({ heard: 100, speed: 6.25, left: 0 });
});

test("only the last pieces count, so a lost worker shows within a minute", () => {
  const pieces = Array.from({ length: 60 }, (_, index) => [index * 10, index * 10 + 10]);
  const lines: [number, string, string | null, object?][] = [
    ...begun.slice(0, 3),
    [1, "partial", "root", { kind: "audio", duration: 600 }],
    [1, "partial", "root", { kind: "plan", pieces }],
    [1, "invocation.queued", "p0", { chainlet: "WhisperModel", parent: "root" }],
    [1, "invocation.started", "p0", { attempt: 1 }],
  ];
  for (let index = 0; index < 45; index++) {
    // The first 20 take a second each, the others two.
    const at = index < 20 ? 2 + index : 21 + (index - 19) * 2;
    lines.push([
      at,
      "partial",
      "root",
      { kind: "piece", index, start: index * 10, end: index * 10 + 10, segments: [] },
    ]);
  }
  expect(outlook(view(...lines))?.speed).toBeCloseTo(5, 5);
});
