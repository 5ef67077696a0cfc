import { describe, expect, test } from "vitest";
import shared from "../../../tests/data/fold_cases.json";
import type { RunEvent } from "../api/types";
import { EMPTY, fold } from "./fold";

interface Case {
  name: string;
  events: RunEvent[];
  view: object;
}
const cases = shared.cases as unknown as Case[];

describe("the cases shared with the server's fold", () => {
  test.each(cases)("$name", ({ events, view }) => {
    expect(fold(EMPTY, events)).toEqual(view);
  });

  test.each(cases)("one event at a time: $name", ({ events, view }) => {
    expect(events.reduce((folded, event) => fold(folded, [event]), EMPTY)).toEqual(view);
  });
});

test.each(cases)("folding never changes the view it was given: $name", ({ events }) => {
  const half = fold(EMPTY, events.slice(0, events.length / 2));
  const copy = structuredClone(half);
  fold(half, events);
  expect(half).toEqual(copy);
});

test("nothing new gives back the very same view, so nothing is drawn again", () => {
  const { events } = cases[2] as Case;
  const view = fold(EMPTY, events);
  expect(fold(view, events)).toBe(view);
});

test("a run of ten hours folds in well under a second", () => {
  const pieces = Array.from({ length: 1500 }, (_, index) => [index * 24, index * 24 + 23]);
  const events: object[] = [{ type: "partial", data: { kind: "plan", pieces } }];
  for (let index = 0; index < 1500; index++) {
    const id = `p${index}`;
    events.push(
      { type: "invocation.queued", invocation: id, data: { chainlet: "WhisperModel" } },
      { type: "invocation.started", invocation: id, data: { attempt: 1 } },
      { type: "invocation.succeeded", invocation: id, data: { attempt: 1 } },
      { type: "partial", data: { kind: "piece", index, start: index * 24, end: index * 24 + 23 } },
    );
  }
  const numbered = events.map((event, i) => ({ ...event, seq: i + 1, at: "2030-01-01T10:00:00Z" }));
  const begin = performance.now();
  const view = fold(EMPTY, numbered as unknown as RunEvent[]);
  expect(view.pieces.every((piece) => piece.done)).toBe(true);
  expect(performance.now() - begin).toBeLessThan(1500);
});

test("a stream of ten thousand pieces with a long log folds in well under a second", () => {
  const events: object[] = [
    { type: "invocation.queued", invocation: "root", data: { chainlet: "Teller" } },
    { type: "invocation.started", invocation: "root", data: { attempt: 1 } },
  ];
  for (let index = 0; index < 10_000; index++) {
    events.push({
      type: "invocation.output",
      invocation: "root",
      data: { attempt: 1, index, text: "word " },
    });
    if (index % 4 === 0)
      events.push({ type: "log", invocation: "root", data: { level: "info", message: "said" } });
  }
  const numbered = events.map((event, i) => ({ ...event, seq: i + 1, at: "2030-01-01T10:00:00Z" }));
  const begin = performance.now();
  const view = fold(EMPTY, numbered as unknown as RunEvent[]);
  expect(view.invocations.root?.output?.text).toHaveLength(50_000);
  expect(view.invocations.root?.logs).toHaveLength(2500);
  expect(performance.now() - begin).toBeLessThan(1500);
});
