import { expect, test } from "vitest";
import shared from "../../../tests/data/fold_cases.json";
import type { RunEvent } from "../api/types";
import { EMPTY, fold, type RunView } from "./fold";
import { onCpuInstead, steps, stepTone, stepWords, timeline } from "./steps";

function viewOf(name: string): RunView {
  const found = shared.cases.find((shared) => shared.name === name);
  return fold(EMPTY, (found?.events ?? []) as unknown as RunEvent[]);
}
const at = (seconds: number) => Date.parse("2030-01-01T10:00:00Z") + seconds * 1000;

test("a fan-out is one line with a count", () => {
  const lines = steps(viewOf("pieces finish in any order and stay sorted"));
  expect(lines.map((step) => `${step.chainlet}: ${stepWords(step)}`)).toEqual([
    "Transcribe: waits for its steps",
    "Decode: done",
    "WhisperModel: 1 of 3 · 1 now",
  ]);
  expect(lines.map(stepTone)).toEqual(["run", "ok", "run"]);
});

test("failed, cancelled and kept calls are told apart", () => {
  const [root, decode] = steps(viewOf("a run that fails keeps the whole error tree"));
  expect([root, decode].map((step) => step && stepTone(step))).toEqual(["bad", "bad"]);
  const resumed = steps(viewOf("a resumed run keeps finished pieces and their times"));
  expect(resumed.map(stepWords)).toEqual([
    "at work",
    "done, kept from before",
    "1 of 3 · 1 cancelled · 1 kept from before",
  ]);
});

test("bars that overlap lie in rows of their own, and a wait never covers another bar", () => {
  const { begin, end, lanes } = timeline(viewOf("a failed attempt that is tried again"), at(10));
  expect([begin, end]).toEqual([at(0), at(10)]);
  const whisper = lanes.find((lane) => lane.chainlet === "WhisperModel");
  const rows = whisper?.rows.map((row) => row.map((bar) => [bar.state, bar.queued, bar.end]));
  expect(rows).toEqual([
    [
      ["failed", at(2.3), at(6)],
      ["succeeded", at(6), at(9)],
    ],
    [["succeeded", at(2.3), at(5)]],
  ]);
});

test("what is open grows until now, what has ended does not", () => {
  const view = viewOf("pieces finish in any order and stay sorted");
  const ends = timeline(view, at(30)).lanes.map((lane) => lane.rows[0]?.[0]?.end);
  expect(ends).toEqual([at(30), at(2), at(30)]);
  expect(timeline(viewOf("one chainlet, start to end"), at(500)).end).toBe(at(2));
});

test("a step without a try shows its wait, inside the picture even if this clock lies behind", () => {
  const view = viewOf("a plan shows every piece before any is done");
  const { begin, end, lanes } = timeline(view, at(1));
  const whisper = lanes.find((lane) => lane.chainlet === "WhisperModel");
  expect(whisper).toEqual({ chainlet: "WhisperModel", waitsSince: at(2.3), rows: [] });
  expect([begin, end]).toEqual([at(0), at(2.3)]);
});

test("GPU work on a CPU is noticed by hardware, not by queue", () => {
  expect(onCpuInstead(viewOf("pieces finish in any order and stay sorted"))).toEqual([
    { chainlet: "WhisperModel", queue: "gpu.any" },
  ]);
  expect(onCpuInstead(viewOf("a plan shows every piece before any is done"))).toEqual([]);
});
