import { expect, test } from "vitest";
import { machineWords, waitWords } from "./waits";

const since = "2030-01-01T10:00:00.000000Z";
const clock = new Date(since).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
const soon = Date.parse(since) + 60_000;

test("one step or many, with the hour", () => {
  const wait = { queue: "cpu", since, reason: "no_worker" } as const;
  expect(waitWords({ ...wait, count: 1 }, soon)).toBe(`One step has waited for it since ${clock}.`);
  expect(waitWords({ ...wait, count: 1200 }, soon)).toBe(
    `1,200 steps have waited for it since ${clock}.`,
  );
});

test("what became of the worker comes first, and another day is named", () => {
  const wait = { queue: "cpu", since, count: 2 };
  expect(waitWords({ ...wait, reason: "worker_stopped" }, soon)).toMatch(
    /^The one that served it was stopped\. 2 steps/,
  );
  const later = waitWords({ ...wait, reason: "worker_lost" }, soon + 48 * 3600 * 1000);
  expect(later).toMatch(/^The one that served it gives no sign of life\. 2 .* since 1 Jan 2030/);
});

test.each([
  ["cpu", "any machine"],
  ["gpu.any", "a machine with a GPU"],
  ["gpu.any.2", "a machine with 2 GPUs"],
  ["gpu.a100_40gb", "a machine with one A100 40GB"],
  ["gpu.h100.2", "a machine with 2 × H100"],
])("a worker of %s belongs on %s", (queue, words) => {
  expect(machineWords(queue)).toBe(words);
});
