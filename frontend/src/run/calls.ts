/** What calls have to say besides their state: their logs, where they blocked their loop, their errors. */
import { plural, span } from "../ui/format";
import type { Attempt, Invocation, RunView } from "./fold";
import type { Blocked, LogLine } from "./said";

/** The entrypoint's call. */
export function rootOf(view: RunView): Invocation | undefined {
  return view.invocations[rootIdOf(view) ?? ""];
}

export function rootIdOf(view: RunView): string | undefined {
  return Object.keys(view.invocations).find((id) => view.invocations[id]?.parent === null);
}

/** "3 log lines · blocked its loop · 1 error"; nothing for calls that only did their work. */
export function noteWords(calls: readonly Invocation[]): string {
  const lines = calls.reduce((count, call) => count + call.logs.length, 0);
  const blocked = calls.reduce((count, call) => count + call.blocked.length, 0);
  const errors = calls.reduce((count, call) => count + failedTries(call).length, 0);
  const parts: string[] = [];
  if (lines) parts.push(plural(lines, "log line"));
  if (blocked) parts.push(`blocked its loop${blocked > 1 ? ` ${blocked} times` : ""}`);
  if (errors) parts.push(plural(errors, "error"));
  return parts.join(" · ");
}

/** The tries that ended in an error, oldest first. */
export function failedTries(call: Invocation): Attempt[] {
  return call.attempts.filter((attempt) => attempt.error !== null);
}

/** The calls of a chainlet that have something to say, in the order in which they were made. */
export function tellingCalls(view: RunView, chainlet: string): Invocation[] {
  return Object.values(view.invocations).filter(
    (call) => call.chainlet === chainlet && noteWords([call]) !== "",
  );
}

/** "Blocked the event loop for 1.3 s at whisper.py:42". */
export function blockedWords({ seconds, file, line }: Blocked): string {
  return `Blocked the event loop for ${span(seconds)} at ${file.split("/").at(-1)}:${line}`;
}

/** "words=5 who=Ada": the values that belong to a line of a log. */
export function fieldWords({ fields }: LogLine): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}
