import { expect, test } from "vitest";
import type { ErrorTree } from "../api/types";
import { innermost, story } from "./errors";

function failure(type: string, message: string, rest: Partial<ErrorTree> = {}): ErrorTree {
  const nowhere = { chainlet: null, invocation: null, attempt: null, worker: null };
  return { type, module: "builtins", message, ...nowhere, frames: [], cause: null, ...rest };
}

const LEAF = failure("LookupError", "no such page", {
  chainlet: "Leaf",
  attempt: 2,
  worker: "gpu-1",
  frames: [{ file: "app/leaf.py", line: 9, name: "run_remote", code: "raise LookupError(page)" }],
});
const MIDDLE = failure("LookupError", "no such page", { chainlet: "Mid", attempt: 1, cause: LEAF });
const TOP = failure("RuntimeError", "cannot go on", {
  chainlet: "Top",
  worker: "cpu",
  cause: MIDDLE,
});

test("a failure is told from the entrypoint down to its root cause, each with try and worker", () => {
  expect(story(TOP)).toEqual([
    { who: "Top", where: "on cpu", said: "RuntimeError: cannot go on", code: "" },
    { who: "Mid", where: "try 1", said: "passed on the error of Leaf", code: "" },
    {
      who: "Leaf",
      where: "try 2 on gpu-1",
      said: "LookupError: no such page",
      code: "app/leaf.py:9 in run_remote\n    raise LookupError(page)",
    },
  ]);
});

test("what is said first is what the innermost call said, in its author's last words", () => {
  expect(innermost(TOP)).toBe(LEAF);
  const before = failure("OSError", "[Errno 2]", { cause: failure("KeyError", "'x'") });
  const told = { ...LEAF, type: "ModelUnavailable", message: "Put the model here.", cause: before };
  expect(innermost({ ...TOP, cause: told })).toBe(told);
  expect(innermost(before)).toBe(before);
});

test("what the author's own code had raised before belongs to the same chainlet", () => {
  const before = failure("KeyError", "'x'", { cause: LEAF });
  const told = story(failure("ValueError", "no x", { chainlet: "Top", attempt: 1, cause: before }));
  expect(told.map(({ who, where, said }) => [who, where, said])).toEqual([
    ["Top", "try 1", "ValueError: no x"],
    ["Top", "just before", "KeyError: 'x'"],
    ["Leaf", "try 2 on gpu-1", "LookupError: no such page"],
  ]);
});

test("an error that names nobody is told by its class, and old ones lack the worker", () => {
  const { worker, ...old } = failure("WorkerLost", "gone");
  expect(worker).toBeNull();
  expect(story(old)).toEqual([
    { who: "WorkerLost", where: "", said: "WorkerLost: gone", code: "" },
  ]);
});
