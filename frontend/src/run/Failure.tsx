import type { ErrorTree } from "../api/types";
import { plural } from "../ui/format";
import { Notice } from "../ui/Notice";
import { causes, rootCause } from "./errors";
import type { RunView } from "./fold";

/** What failed, in the sentence of whoever failed first; then what is kept; then, folded, the tree. */
export function Failure({ error, view }: { error: ErrorTree; view: RunView }) {
  const root = rootCause(error);
  const kept = view.pieces.filter((piece) => piece.done).length;
  return (
    <Notice tone="bad" title={sentence(root)} alert>
      {view.pieces.length > 0 && (
        <p>
          {kept} of {plural(view.pieces.length, "piece")} {kept === 1 ? "is" : "are"} kept. Resume
          goes on from there.
        </p>
      )}
      <details className="fold">
        <summary>What happened, step by step</summary>
        <ol className="tree">
          {causes(error).map((cause, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the chain of causes never changes its order
            <li key={index}>
              <b>{cause.chainlet ?? cause.type}</b>
              {cause.attempt !== null && cause.attempt > 1 ? `, try ${cause.attempt}` : ""}:{" "}
              {cause.type}: {cause.message}
              {cause.frames.length > 0 && (
                // biome-ignore lint/a11y/noNoninteractiveTabindex: an area that scrolls must take the focus
                <pre tabIndex={0}>{cause.frames.map(frame).join("\n")}</pre>
              )}
            </li>
          ))}
        </ol>
      </details>
    </Notice>
  );
}

/** A refused input speaks for itself; any other failure needs the name of who failed. */
function sentence({ type, message, chainlet }: ErrorTree): string {
  if (type === "InputRejected" || chainlet === null) return message || type;
  return `${chainlet} failed: ${message || type}`;
}

function frame({ file, line, name, code }: ErrorTree["frames"][number]): string {
  return `${file}:${line} in ${name}${code ? `\n    ${code}` : ""}`;
}
