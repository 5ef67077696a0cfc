import type { ReactNode } from "react";
import { plural, span } from "../ui/format";
import { Notice } from "../ui/Notice";
import { blockedWords, failedTries, fieldWords } from "./calls";
import { ErrorStory } from "./ErrorStory";
import type { Invocation } from "./fold";
import type { LogLine } from "./said";
import { ATTEMPT_WORDS } from "./steps";

const MOST_LINES = 500;

/** One call: its tries, where it blocked its loop, its log, and the story of each error. */
export function CallDetails({
  call,
  begin,
  children,
}: {
  call: Invocation;
  begin: number;
  /** What can be done with it. */
  children: ReactNode;
}) {
  const failed = failedTries(call);
  return (
    <div className="call">
      <ul className="tries">
        {call.attempts.map(({ number, worker, hardware, state }) => (
          <li key={number}>
            Try {number} on {worker} ({hardware}): {ATTEMPT_WORDS[state]}
          </li>
        ))}
        {call.attempts.length === 0 && (
          <li>{call.kept ? "Kept from another run, so not made." : `Waits on ${call.queue}.`}</li>
        )}
      </ul>
      {call.blocked.map((blocked) => (
        <Notice key={`${blocked.at} ${blocked.line}`} tone="wait">
          {blockedWords(blocked)}: <code>{blocked.code}</code>
          <p className="hint">
            Every other call on that loop waited. Use <code>await chains.offload(…)</code> there.
          </p>
        </Notice>
      ))}
      {call.logs.length > 0 && <Log lines={call.logs} begin={begin} />}
      {failed.map(({ number, error }) => (
        <section key={number} aria-label={`Error of try ${number}`}>
          <h3>Error of try {number}</h3>
          {error && <ErrorStory error={error} />}
        </section>
      ))}
      {call.logs.length + call.blocked.length + failed.length === 0 && (
        <p className="hint">This call has logged nothing.</p>
      )}
      {children}
    </div>
  );
}

function Log({ lines, begin }: { lines: LogLine[]; begin: number }) {
  return (
    <section aria-label="Log">
      <h3>Log</h3>
      {lines.length > MOST_LINES && (
        <p className="hint">
          The last {MOST_LINES} of {plural(lines.length, "line")}.
        </p>
      )}
      <ol className="log">
        {lines.slice(-MOST_LINES).map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a log only grows at its end
          <li key={index} className={line.level}>
            <time dateTime={line.at}>{span(Math.max(0, Date.parse(line.at) - begin) / 1000)}</time>
            <span className="asis">
              {line.level !== "info" && <b>{line.level} </b>}
              {line.message} <code>{fieldWords(line)}</code>
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
