import type { RunState } from "../api/types";
import { bytes, plural } from "../ui/format";
import { useStayAtEnd } from "../ui/hooks";
import type { Output } from "./said";
import { isOver } from "./useRun";

/** What a streaming entrypoint has given so far: its text as it comes, its bytes as a count. */
export function Streamed({
  output,
  state,
  follow,
}: {
  output: Output;
  state: RunState;
  /** Keep the newest text in sight; what has ended is read from its beginning. */
  follow: boolean;
}) {
  const text = useStayAtEnd<HTMLPreElement>(output.text, follow);
  return (
    <section className="card values" aria-label="Output">
      <div className="values-head">
        <h2>Output</h2>
        <span className="hint">{standing(state)}</span>
      </div>
      {output.text !== "" && (
        <pre
          ref={text}
          className="streamed"
          role="log"
          aria-live="off"
          aria-label="Text"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: an area that scrolls must take the focus
          tabIndex={0}
        >
          {output.text}
        </pre>
      )}
      {output.bytes > 0 && (
        <p className="hint">
          {bytes(output.bytes)} in {plural(output.pieces, "piece")}. They are not text, so they are
          only counted here.
        </p>
      )}
    </section>
  );
}

function standing(state: RunState): string {
  if (!isOver(state)) return "more is coming";
  return state === "succeeded" ? "" : "cut short";
}
