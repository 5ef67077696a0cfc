import { type KeyboardEvent, memo, useEffect, useId, useMemo, useRef, useState } from "react";
import { getPeaks } from "../api/client";
import { stamp } from "../ui/format";
import type { Piece } from "./fold";
import { bars, heardStretches } from "./transcript";
import type { Player } from "./usePlayer";

const HEIGHT = 112;
const STEP = 4; // pixels from bar to bar

/** Where the text stands and where the player stands, in one picture; a range input takes the seeking. */
export function Waveform({
  peaksId,
  duration,
  pieces,
  player,
  over,
}: {
  peaksId: string | null;
  duration: number;
  pieces: readonly Piece[];
  player: Player;
  /** The run has ended, so what is not there will not come. */
  over: boolean;
}) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const peaks = usePeaks(peaksId);
  const { audio, seek, time, playing } = player;
  const played = useRef<SVGRectElement>(null);
  const head = useRef<SVGRectElement>(null);
  const clip = useId();

  useEffect(() => {
    let frame = 0;
    const draw = () => {
      const seconds = playing ? (audio.current?.currentTime ?? 0) : time;
      const x = duration > 0 ? (seconds / duration) * width : 0;
      played.current?.setAttribute("width", String(x));
      head.current?.setAttribute("x", String(Math.max(0, x - 1)));
      if (playing) frame = requestAnimationFrame(draw);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [playing, time, duration, width, audio]);

  function press(event: KeyboardEvent) {
    const steps: Record<string, number> = {
      ArrowLeft: -5,
      ArrowRight: 5,
      ArrowDown: -5,
      ArrowUp: 5,
    };
    const step = steps[event.key];
    if (event.key === " ") player.toggle();
    else if (step !== undefined) seek(time + step);
    else return;
    event.preventDefault();
  }

  return (
    <div className="wave" ref={box}>
      <svg width={width} height={HEIGHT} aria-hidden="true">
        <clipPath id={clip}>
          <rect ref={played} height={HEIGHT} width="0" />
        </clipPath>
        <Picture peaks={peaks} width={width} duration={duration} pieces={pieces} clip={clip} />
        <rect ref={head} className="head" width="2" height={HEIGHT} />
      </svg>
      {peaks === null && (
        <span className="wave-word">
          {over
            ? "There is no waveform of this recording."
            : "The waveform appears here once the sound is decoded."}
        </span>
      )}
      <input
        type="range"
        aria-label="Position in the recording"
        aria-valuetext={`${stamp(time)} of ${stamp(duration)}`}
        min={0}
        max={duration || 1}
        step="any"
        value={Math.min(time, duration || 1)}
        disabled={duration === 0}
        onChange={(event) => seek(Number(event.target.value))}
        onKeyDown={press}
      />
    </div>
  );
}

/** Everything that does not move with the player. */
const Picture = memo(function Picture({
  peaks,
  width,
  duration,
  pieces,
  clip,
}: {
  peaks: number[] | null;
  width: number;
  duration: number;
  pieces: readonly Piece[];
  clip: string;
}) {
  const heights = useMemo(() => bars(peaks ?? [], Math.floor(width / STEP)), [peaks, width]);
  const heard = useMemo(() => heardStretches(pieces, duration), [pieces, duration]);
  if (width === 0 || duration === 0 || peaks === null) return null;
  const scale = width / duration;
  const isHeard = (x: number) => heard.some(([from, to]) => x >= from * scale && x < to * scale);
  let done = "";
  let open = "";
  for (const [index, height] of heights.entries()) {
    const x = index * STEP + STEP / 2;
    const half = Math.max(1.5, (height * (HEIGHT - 20)) / 2);
    const bar = `M${x} ${HEIGHT / 2 - half}V${HEIGHT / 2 + half}`;
    if (isHeard(x)) done += bar;
    else open += bar;
  }
  return (
    <>
      {heard.map(([from, to]) => (
        <rect
          key={from}
          className="heard"
          x={from * scale}
          width={(to - from) * scale}
          height={HEIGHT}
        />
      ))}
      <path className="open" d={open} />
      <path className="done" d={done} />
      <path className="played" d={done + open} clipPath={`url(#${clip})`} />
    </>
  );
});

function usePeaks(id: string | null): number[] | null {
  const [peaks, setPeaks] = useState<number[] | null>(null);
  useEffect(() => {
    if (id === null) return;
    let gone = false;
    getPeaks(id).then(
      (file) => gone || setPeaks(file.peaks),
      // Without the picture one can still play, read and seek.
      () => gone || setPeaks([]),
    );
    return () => {
      gone = true;
    };
  }, [id]);
  return peaks;
}

function useWidth(box: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [box]);
  return width;
}
