/** What to say of calls that wait on a queue without a worker. */
import type { Wait } from "../api/types";
import { moment } from "../ui/format";

const BECAME: Record<Wait["reason"], string> = {
  no_worker: "",
  worker_stopped: "The one that served it was stopped.",
  worker_lost: "The one that served it gives no sign of life.",
};
const DAY_MS = 22 * 3600 * 1000;

/** What became of the worker that was there, and how much waits since when. */
export function waitWords({ count, since, reason }: Wait, now: number): string {
  const steps = count === 1 ? "One step has" : `${count.toLocaleString("en-GB")} steps have`;
  const then = new Date(since);
  const when =
    now - then.getTime() < DAY_MS
      ? then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })
      : moment(since);
  return `${BECAME[reason]} ${steps} waited for it since ${when}.`.trim();
}

/** "gpu.h100.2" → "a machine with 2 × H100": where its worker belongs. */
export function machineWords(queue: string): string {
  const [kind, type, count] = queue.split(".");
  if (kind !== "gpu" || type === undefined) return "any machine";
  if (type === "any") return count ? `a machine with ${count} GPUs` : "a machine with a GPU";
  const gpu = type.toUpperCase().replaceAll("_", " ");
  return `a machine with ${count ? `${count} ×` : "one"} ${gpu}`;
}
