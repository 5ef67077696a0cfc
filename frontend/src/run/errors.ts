import type { ErrorTree } from "../api/types";

/**
 * The failure of the innermost call: the one a person can do something about. What its own code had
 * raised before is left out, because its author has said it in better words since.
 */
export function innermost(error: ErrorTree): ErrorTree {
  let found = error;
  for (let level: ErrorTree | null = error; level; level = level.cause) {
    if (level.chainlet !== null) found = level;
  }
  return found;
}

/** One level of a failure: who it happened to, where, what was raised, and the author's lines. */
export interface Level {
  who: string;
  where: string;
  said: string;
  code: string;
}

/** A failure from the entrypoint down to its root cause. */
export function story(error: ErrorTree): Level[] {
  const levels: Level[] = [];
  let who = "";
  for (let level: ErrorTree | null = error; level; level = level.cause) {
    // Without a chainlet it happened in the one above, in the author's code or a library.
    const within = level.chainlet === null && who !== "";
    who = level.chainlet ?? (who || level.type);
    levels.push({
      who,
      where: within ? "just before" : place(level),
      said: isPassedOn(level)
        ? `passed on the error of ${level.cause?.chainlet}`
        : `${level.type}: ${level.message}`,
      code: level.frames.map(frame).join("\n"),
    });
  }
  return levels;
}

/** "try 2 on cpu-1", as far as it is known. */
function place({ attempt, worker }: ErrorTree): string {
  const words = attempt === null ? "" : `try ${attempt}`;
  return worker ? `${words} on ${worker}`.trim() : words;
}

function isPassedOn({ type, message, cause }: ErrorTree): boolean {
  return (
    cause !== null && cause.chainlet !== null && cause.type === type && cause.message === message
  );
}

function frame({ file, line, name, code }: ErrorTree["frames"][number]): string {
  return `${file}:${line} in ${name}${code ? `\n    ${code}` : ""}`;
}
