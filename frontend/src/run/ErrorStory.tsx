import type { ErrorTree } from "../api/types";
import { story } from "./errors";

/** A failure from the entrypoint down to its root cause, with the author's lines. */
export function ErrorStory({ error }: { error: ErrorTree }) {
  return (
    <ol className="tree">
      {story(error).map(({ who, where, said, code }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the levels of a failure never change their order
        <li key={index}>
          <b>{who}</b>
          {where && <small>, {where}</small>}: <span className="asis">{said}</span>
          {code && (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: an area that scrolls must take the focus
            <pre tabIndex={0}>{code}</pre>
          )}
        </li>
      ))}
    </ol>
  );
}
