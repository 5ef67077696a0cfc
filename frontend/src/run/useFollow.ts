import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";

export interface Follow {
  /** The line being played is kept in sight. */
  playback: boolean;
  /** The newest text is kept in sight. */
  live: boolean;
  followPlayback: (on: boolean) => void;
  jumpToLive: () => void;
  jumpToPlayback: () => void;
}

const SCROLL_KEYS = new Set(["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]);

/**
 * Scrolls the page after what is played, or after the newest text if asked to, and yields as soon as
 * the reader scrolls. `spoken` is the key of the line being played, `edge` changes with the text.
 */
export function useFollow(
  list: RefObject<HTMLElement | null>,
  { spoken, playing, edge }: { spoken: string | null; playing: boolean; edge: string },
): Follow {
  const [playback, setPlayback] = useState(true);
  const [live, setLive] = useState(false);
  const rows = useRef(list);

  useEffect(() => {
    const yieldToReader = () => {
      setPlayback(false);
      setLive(false);
    };
    const onKey = (event: KeyboardEvent) => {
      if (SCROLL_KEYS.has(event.key) && !event.defaultPrevented) yieldToReader();
    };
    const onPointer = (event: PointerEvent) => {
      // A press right of the page is a press on its scroll bar.
      if (event.clientX >= document.documentElement.clientWidth) yieldToReader();
    };
    window.addEventListener("wheel", yieldToReader, { passive: true });
    window.addEventListener("touchmove", yieldToReader, { passive: true });
    window.addEventListener("keydown", onKey);
    window.addEventListener("pointerdown", onPointer);
    return () => {
      window.removeEventListener("wheel", yieldToReader);
      window.removeEventListener("touchmove", yieldToReader);
      window.removeEventListener("keydown", onKey);
      window.removeEventListener("pointerdown", onPointer);
    };
  }, []);

  useLayoutEffect(() => {
    if (playing && playback && spoken !== null) show(rows.current.current, rowSelector(spoken));
  }, [playing, playback, spoken]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: new text is what moves the edge
  useLayoutEffect(() => {
    if (live && !playing) show(rows.current.current, "[data-edge]");
  }, [live, playing, edge]);

  return {
    playback,
    live,
    followPlayback: setPlayback,
    jumpToLive: () => setLive(true),
    jumpToPlayback: () => setPlayback(true),
  };
}

function rowSelector(key: string): string {
  return `[data-key="${CSS.escape(key)}"]`;
}

function show(list: HTMLElement | null, selector: string): void {
  const row = list?.querySelector(selector);
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  row?.scrollIntoView({ block: "nearest", behavior: still ? "instant" : "smooth" });
}
