import type { ErrorTree } from "../api/types";

/** The innermost failure: the one a person can do something about. */
export function rootCause(error: ErrorTree): ErrorTree {
  let cause = error;
  while (cause.cause) cause = cause.cause;
  return cause;
}

/** From the outermost failure to the innermost. */
export function causes(error: ErrorTree): ErrorTree[] {
  const found: ErrorTree[] = [];
  for (let cause: ErrorTree | null = error; cause; cause = cause.cause) found.push(cause);
  return found;
}
