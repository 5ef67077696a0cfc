import { type CSSProperties, memo, type RefObject, useEffect } from "react";
import { plural, stamp } from "../ui/format";
import { Icon } from "../ui/Icon";
import type { Hole, Line, Row } from "./transcript";
import { useStayPut } from "./useStayPut";

/** The text in reading order. Rows appear where they belong and push nothing that is being read. */
export const Transcript = memo(function Transcript({
  list,
  rows,
  spoken,
  empty,
  onSeek,
}: {
  list: RefObject<HTMLOListElement | null>;
  rows: readonly Row[];
  /** The key of the line being played. */
  spoken: string | null;
  /** What to say while there are no rows. */
  empty: string;
  onSeek: (seconds: number) => void;
}) {
  const lines = rows.filter((row) => row.kind === "line").length;
  const edge = rows.findLast((row) => row.kind === "line")?.key;
  useSeekByClick(list, onSeek);
  useStayPut(list);
  return (
    <section className="card tx" aria-labelledby="transcript">
      <div className="txh">
        <h2 id="transcript">Transcript</h2>
        <span>{lines > 0 && plural(lines, "line")}</span>
      </div>
      {rows.length === 0 && <p className="hole-word">{empty}</p>}
      <ol ref={list} className={rows.length > 300 ? "rows long" : "rows"}>
        {rows.map((row) =>
          row.kind === "line" ? (
            <LineRow key={row.key} row={row} lit={row.key === spoken} edge={row.key === edge} />
          ) : (
            <HoleRow key={row.key} row={row} />
          ),
        )}
      </ol>
    </section>
  );
});

const LineRow = memo(function LineRow({
  row,
  lit,
  edge,
}: {
  row: Line;
  lit: boolean;
  edge: boolean;
}) {
  return (
    <li
      className={lit ? "row on" : "row"}
      data-key={row.key}
      data-start={row.start}
      {...(edge ? { "data-edge": "" } : {})}
      {...(lit ? { "aria-current": "true" as const } : {})}
    >
      <button type="button" className="at" aria-label={`Play from ${stamp(row.start)}`}>
        {stamp(row.start)}
      </button>
      {row.unsure ? (
        <p>
          <u title="The model was unsure of this line">{row.text}</u>
          <span className="unseen"> (unsure)</span>
        </p>
      ) : (
        <p>{row.text}</p>
      )}
    </li>
  );
});

const WORDS: Record<Hole["status"], string> = {
  running: "is being transcribed",
  queued: "waits its turn",
  missing: "was not transcribed",
};

const HoleRow = memo(function HoleRow({ row }: { row: Hole }) {
  const style = row.reserved ? { "--seconds": row.end - row.start } : {};
  return (
    <li className={`hole ${row.status}`} style={style as CSSProperties}>
      <span>
        {stamp(row.start)} – {stamp(row.end)} {WORDS[row.status]}
      </span>
      {row.note !== "" && <span>{row.note}</span>}
    </li>
  );
});

/** A click on a line plays from there; marking text to copy it does not. */
function useSeekByClick(
  list: RefObject<HTMLOListElement | null>,
  onSeek: (seconds: number) => void,
): void {
  useEffect(() => {
    const element = list.current;
    if (element === null) return;
    const click = (event: MouseEvent) => {
      const row = event.target instanceof Element ? event.target.closest("[data-start]") : null;
      if (row === null || !(getSelection()?.isCollapsed ?? true)) return;
      onSeek(Number(row.getAttribute("data-start")));
    };
    element.addEventListener("click", click);
    return () => element.removeEventListener("click", click);
  }, [list, onSeek]);
}

/** The way back to what goes on, once the reader has scrolled away from it. */
export function JumpButton({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <div className="jump">
      <button type="button" className="btn main" onClick={onClick}>
        <Icon name="down" />
        {label}
      </button>
    </div>
  );
}
