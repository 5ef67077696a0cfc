import { expect, test } from "vitest";
import shared from "../../../tests/data/fold_cases.json";
import type { RunEvent } from "../api/types";
import { blockedWords, fieldWords, noteWords, rootOf, tellingCalls } from "./calls";
import { EMPTY, fold, type RunView } from "./fold";

function viewOf(name: string): RunView {
  const found = shared.cases.find((shared) => shared.name === name);
  return fold(EMPTY, (found?.events ?? []) as unknown as RunEvent[]);
}
const LOGGED = viewOf("a call keeps what it logged and where it blocked its loop");

test("a step says in a few words what its calls have to say", () => {
  const calls = tellingCalls(LOGGED, "Teller");
  expect(noteWords(calls)).toBe("2 log lines · blocked its loop");
  expect(noteWords([...calls, ...calls])).toBe("4 log lines · blocked its loop 2 times");
});

test("calls that only did their work are passed over, a failed try is not", () => {
  expect(tellingCalls(viewOf("one chainlet, start to end"), "Hello")).toEqual([]);
  const tried = tellingCalls(viewOf("a failed attempt that is tried again"), "WhisperModel");
  expect(tried.map((call) => call.state)).toEqual(["succeeded"]);
  expect(noteWords(tried)).toBe("1 error");
});

test("a block of the loop is told with its length and its place", () => {
  const [blocked] = rootOf(LOGGED)?.blocked ?? [];
  expect(blocked && blockedWords(blocked)).toBe(
    "Blocked the event loop for 1.3 s at whisper.py:42",
  );
});

test("values beside a line of a log are written by name", () => {
  const line = { at: "", level: "info", message: "" } as const;
  expect(fieldWords({ ...line, fields: { words: 5, who: "Ada", page: [1, 2] } })).toBe(
    "words=5 who=Ada page=[1,2]",
  );
  expect(fieldWords({ ...line, fields: {} })).toBe("");
});
