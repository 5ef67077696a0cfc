import { memo, useMemo, useState } from "react";
import { clock, span } from "../ui/format";
import { useNow } from "../ui/hooks";
import { AttemptTable } from "./AttemptTable";
import { CallDialog } from "./CallDialog";
import { noteWords, tellingCalls } from "./calls";
import type { Invocation, RunView } from "./fold";
import {
  ATTEMPT_WORDS,
  type Bar,
  onCpuInstead,
  type Step,
  steps,
  stepTone,
  stepWords,
  timeline,
} from "./steps";
import { isOver } from "./useRun";

const WIDTH = 260;
const ROW = 12;

/** Who does what: a line per chainlet, a bar per attempt, and the same as a table. */
export const Steps = memo(function Steps({
  runId,
  view,
  machineHasGpu,
}: {
  runId: string;
  view: RunView;
  machineHasGpu: boolean;
}) {
  const now = useNow(1000, !isOver(view.state));
  const lines = useMemo(() => steps(view), [view]);
  const picture = useMemo(() => timeline(view, now), [view, now]);
  const instead = useMemo(() => onCpuInstead(view), [view]);
  const [opened, setOpened] = useState<Opened | null>(null);
  if (lines.length === 0) return <aside className="card steps" aria-label="Steps" />;
  const x = (time: number) => ((time - picture.begin) / (picture.end - picture.begin)) * WIDTH;
  const length = (picture.end - picture.begin) / 1000;
  return (
    <aside className="card steps" aria-label="Steps">
      <h2>Steps</h2>
      <ul className="counts">
        {lines.map((step) => (
          <StepLine
            key={step.chainlet}
            step={step}
            calls={tellingCalls(view, step.chainlet)}
            onOpen={() => setOpened({ chainlet: step.chainlet })}
          />
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
      <AttemptTable view={view} begin={picture.begin} onOpen={(id) => setOpened({ id })} />
      {opened && (
        <CallDialog
          {...callsOf(opened, view)}
          over={isOver(view.state) ? runId : null}
          begin={picture.begin}
          onClose={() => setOpened(null)}
        />
      )}
    </aside>
  );
});

/** What a person has opened: one call, or all calls of a chainlet that have something to say. */
type Opened = { id: string } | { chainlet: string };

function callsOf(
  opened: Opened,
  view: RunView,
): { chainlet: string; calls: [string, Invocation][] } {
  if ("chainlet" in opened) {
    const telling = new Set(tellingCalls(view, opened.chainlet));
    const calls = Object.entries(view.invocations).filter(([, call]) => telling.has(call));
    return { chainlet: opened.chainlet, calls };
  }
  const call = view.invocations[opened.id];
  return { chainlet: call?.chainlet ?? "", calls: call ? [[opened.id, call]] : [] };
}

function StepLine({
  step,
  calls,
  onOpen,
}: {
  step: Step;
  calls: Invocation[];
  onOpen: () => void;
}) {
  return (
    <li className={stepTone(step)}>
      <span>{step.chainlet}</span>
      <span className="count">{stepWords(step)}</span>
      {calls.length > 0 && (
        <button type="button" className="plain notes" onClick={onOpen}>
          {noteWords(calls)}
        </button>
      )}
    </li>
  );
}

function BarShape({ bar, y, x }: { bar: Bar; y: number; x: (time: number) => number }) {
  const from = x(bar.start);
  const width = Math.max(1.2, x(bar.end) - from - 0.6);
  const wait = from - x(bar.queued);
  return (
    <g>
      <title>{`try ${bar.number} on ${bar.worker}, ${ATTEMPT_WORDS[bar.state]}, ${span((bar.end - bar.start) / 1000)}`}</title>
      {wait > 0.5 && (
        <rect className="bar-wait" x={x(bar.queued)} y={y} width={wait} height="8" rx="2" />
      )}
      <rect className={`bar-${bar.state}`} x={from} y={y} width={width} height="8" rx="2" />
    </g>
  );
}

function laneWords(rows: Bar[][]): string {
  const count = rows.reduce((total, row) => total + row.length, 0);
  if (count === 0) return "no tries";
  return `${count === 1 ? "one try" : `${count} tries`}, at most ${rows.length} at a time`;
}
