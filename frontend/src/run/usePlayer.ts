import { type RefObject, useCallback, useEffect, useRef, useState } from "react";

export interface Player {
  audio: RefObject<HTMLAudioElement | null>;
  playing: boolean;
  /** Seconds; as often as the browser tells, about four times a second. */
  time: number;
  /** Seconds by the browser's own reading of the file; 0 until it knows. */
  length: number;
  rate: number;
  /** The browser cannot play this file. */
  unplayable: boolean;
  toggle: () => void;
  seek: (seconds: number) => void;
  setRate: (rate: number) => void;
}

/** One audio element and what the page needs to know of it. */
export function usePlayer(): Player {
  const audio = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  const [time, setTime] = useState(0);
  const [length, setLength] = useState(0);
  const [rate, setRateState] = useState(1);
  const [unplayable, setUnplayable] = useState(false);

  // The element comes and goes with the run's file, so its listeners are looked after on every commit.
  const bound = useRef<HTMLAudioElement | null>(null);
  useEffect(() => {
    const element = audio.current;
    if (element === null || element === bound.current) return;
    bound.current = element;
    const tell = () => {
      setPlaying(!element.paused);
      setTime(element.currentTime);
      setLength(Number.isFinite(element.duration) ? element.duration : 0);
    };
    for (const name of ["play", "pause", "timeupdate", "seeking", "ended", "loadedmetadata"]) {
      element.addEventListener(name, tell);
    }
    element.addEventListener("error", () => setUnplayable(true));
    if (element.error !== null) setUnplayable(true);
    tell();
  });

  const toggle = useCallback(() => {
    const element = audio.current;
    if (element === null) return;
    if (element.paused) element.play().catch(() => {});
    else element.pause();
  }, []);

  const seek = useCallback((seconds: number) => {
    const element = audio.current;
    if (element === null) return;
    const end = Number.isFinite(element.duration) ? element.duration : Number.MAX_VALUE;
    element.currentTime = Math.max(0, Math.min(end, seconds));
    setTime(element.currentTime);
  }, []);

  const setRate = useCallback((next: number) => {
    if (audio.current) audio.current.playbackRate = next;
    setRateState(next);
  }, []);

  return { audio, playing, time, length, rate, unplayable, toggle, seek, setRate };
}

const OWN_KEYS = "input, select, textarea, button, a, summary, dialog, [contenteditable]";

/** Space plays, the arrows go five seconds, unless the focus is on something with keys of its own. */
export function usePlayerKeys({ toggle, seek, audio }: Player): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
      if (event.target instanceof Element && event.target.closest(OWN_KEYS)) return;
      if (audio.current === null) return;
      if (event.key === " ") toggle();
      else if (event.key === "ArrowLeft") seek(audio.current.currentTime - 5);
      else if (event.key === "ArrowRight") seek(audio.current.currentTime + 5);
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [toggle, seek, audio]);
}
