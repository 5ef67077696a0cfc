import { useState } from "react";
import { span } from "../ui/format";
import { noteWords } from "./calls";
import type { RunView } from "./fold";
import { ATTEMPT_WORDS } from "./steps";

const MOST_ROWS = 400;

/** The timeline for those who read it: every attempt with its worker and its times; a name opens its call. */
export function AttemptTable({
  view,
  begin,
  onOpen,
}: {
  view: RunView;
  begin: number;
  onOpen: (id: string) => void;
}) {
  const [open, setOpen] = useState(false);
  const rows = Object.entries(open ? view.invocations : {}).flatMap(([id, invocation]) =>
    invocation.attempts.map((attempt) => ({ id, invocation, attempt })),
  );
  return (
    <details className="fold" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Every try as a table</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: an area that scrolls must take the focus */}
      <section className="scroll" tabIndex={0} aria-label="Every try">
        <table>
          <thead>
            <tr>
              <th scope="col">Chainlet</th>
              <th scope="col">Try</th>
              <th scope="col">Worker</th>
              <th scope="col">State</th>
              <th scope="col">Began</th>
              <th scope="col">Took</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, MOST_ROWS).map(({ id, invocation, attempt }) => (
              <tr key={`${id}/${attempt.number}`}>
                <td>
                  <button type="button" className="plain" onClick={() => onOpen(id)}>
                    {invocation.chainlet}
                  </button>
                  {attempt.number === invocation.attempt && (
                    <small className="notes">{noteWords([invocation])}</small>
                  )}
                </td>
                <td>{attempt.number}</td>
                <td>
                  {attempt.worker} ({attempt.hardware})
                </td>
                <td>{ATTEMPT_WORDS[attempt.state]}</td>
                <td>{span((Date.parse(attempt.started_at) - begin) / 1000)}</td>
                <td>
                  {attempt.ended_at
                    ? span((Date.parse(attempt.ended_at) - Date.parse(attempt.started_at)) / 1000)
                    : "–"}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {rows.length > MOST_ROWS && (
          <p>
            The first {MOST_ROWS} of {rows.length}.
          </p>
        )}
      </section>
    </details>
  );
}
