import { memo, useMemo, useState } from "react";
import { clock, span } from "../ui/format";
import { useNow } from "../ui/hooks";
import type { RunView } from "./fold";
import { type Bar, onCpuInstead, steps, stepTone, stepWords, timeline } from "./steps";
import { isOver } from "./useRun";

const WIDTH = 260;
const ROW = 12;
const WORDS: Record<Bar["state"], string> = {
  waiting: "waits for its steps",
  running: "at work",
  succeeded: "done",
  failed: "failed",
  cancelled: "cancelled",
  lost: "its worker was lost",
  handed_back: "handed back",
};

/** Who does what: a line per chainlet, a bar per attempt, and the same as a table. */
export const Steps = memo(function Steps({
  view,
  machineHasGpu,
}: {
  view: RunView;
  machineHasGpu: boolean;
}) {
  const now = useNow(1000, !isOver(view.state));
  const lines = useMemo(() => steps(view), [view]);
  const picture = useMemo(() => timeline(view, now), [view, now]);
  const instead = useMemo(() => onCpuInstead(view), [view]);
  if (lines.length === 0) return <aside className="card steps" aria-label="Steps" />;
  const x = (time: number) => ((time - picture.begin) / (picture.end - picture.begin)) * WIDTH;
  const length = (picture.end - picture.begin) / 1000;
  return (
    <aside className="card steps" aria-label="Steps">
      <h2>Steps</h2>
      <ul className="counts">
        {lines.map((step) => (
          <li key={step.chainlet} className={stepTone(step)}>
            <span>{step.chainlet}</span>
            <span className="count">{stepWords(step)}</span>
          </li>
        ))}
      </ul>
      {instead.map(({ chainlet, queue }) => (
        <p key={chainlet} className="cpu">
          {chainlet} asks for {queue};{" "}
          {machineHasGpu ? "its worker found no GPU" : "this machine has no GPU"}, so it runs on the
          CPU.
        </p>
      ))}
      <h2>Timeline</h2>
      <div className="lanes">
        {picture.lanes.map(({ chainlet, waitsSince, rows }) => (
          <div key={chainlet} className="lane">
            <span>{chainlet}</span>
            <svg
              viewBox={`0 0 ${WIDTH} ${Math.max(1, rows.length) * ROW}`}
              role="img"
              aria-label={`${chainlet}: ${laneWords(rows)}`}
            >
              {waitsSince !== null && (
                <rect
                  className="bar-wait"
                  x={x(waitsSince)}
                  y={2}
                  width={WIDTH - x(waitsSince)}
                  height="8"
                  rx="2"
                />
              )}
              {rows.map((row, index) =>
                row.map((bar) => <BarShape key={bar.key} bar={bar} y={index * ROW + 2} x={x} />),
              )}
            </svg>
          </div>
        ))}
      </div>
      <div className="axis" aria-hidden="true">
        <span>0:00</span>
        <span>{length >= 4 ? clock(length / 2) : ""}</span>
        <span>{isOver(view.state) ? (length < 9.95 ? span(length) : clock(length)) : "now"}</span>
      </div>
      <ul className="legend" aria-hidden="true">
        <li className="wait">in the queue</li>
        <li className="run">at work</li>
        <li className="ok">done</li>
        <li className="bad">failed or lost</li>
      </ul>
      <AttemptTable view={view} begin={picture.begin} />
    </aside>
  );
});

function BarShape({ bar, y, x }: { bar: Bar; y: number; x: (time: number) => number }) {
  const from = x(bar.start);
  const width = Math.max(1.2, x(bar.end) - from - 0.6);
  const wait = from - x(bar.queued);
  return (
    <g>
      <title>{`try ${bar.number} on ${bar.worker}, ${WORDS[bar.state]}, ${span((bar.end - bar.start) / 1000)}`}</title>
      {wait > 0.5 && (
        <rect className="bar-wait" x={x(bar.queued)} y={y} width={wait} height="8" rx="2" />
      )}
      <rect className={`bar-${bar.state}`} x={from} y={y} width={width} height="8" rx="2" />
    </g>
  );
}

function laneWords(rows: Bar[][]): string {
  const count = rows.reduce((total, row) => total + row.length, 0);
  if (count === 0) return "not begun";
  return `${count === 1 ? "one try" : `${count} tries`}, at most ${rows.length} at a time`;
}

const MOST_ROWS = 400;

/** The timeline for those who read it: every attempt with its worker and its times. */
function AttemptTable({ view, begin }: { view: RunView; begin: number }) {
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
                <td>{invocation.chainlet}</td>
                <td>{attempt.number}</td>
                <td>
                  {attempt.worker} ({attempt.hardware})
                </td>
                <td>{WORDS[attempt.state]}</td>
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
