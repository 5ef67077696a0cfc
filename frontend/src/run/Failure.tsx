import type { ErrorTree } from "../api/types";
import { plural } from "../ui/format";
import { Notice } from "../ui/Notice";
import { ErrorStory } from "./ErrorStory";
import { innermost } from "./errors";
import type { RunView } from "./fold";

/** What failed, in the sentence of whoever failed first; then what is kept; then the whole story. */
export function Failure({
  error,
  view,
  folded,
}: {
  error: ErrorTree;
  view: RunView;
  /** Readers of a transcript ask for the story; authors of a chain have come for it. */
  folded: boolean;
}) {
  const first = innermost(error);
  const kept = view.pieces.filter((piece) => piece.done).length;
  return (
    <Notice tone="bad" title={sentence(first)} alert>
      {view.pieces.length > 0 && (
        <p>
          {kept} of {plural(view.pieces.length, "piece")} {kept === 1 ? "is" : "are"} kept. Resume
          goes on from there.
        </p>
      )}
      <details className="fold" open={!folded}>
        <summary>What happened, step by step</summary>
        <ErrorStory error={error} />
      </details>
    </Notice>
  );
}

/** A refused input speaks for itself; any other failure needs the name of who failed. */
function sentence({ type, message, chainlet }: ErrorTree): string {
  if (type === "InputRejected" || chainlet === null) return message || type;
  return `${chainlet} failed: ${message || type}`;
}
