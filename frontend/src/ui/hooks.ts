import { useEffect, useLayoutEffect, useRef, useState } from "react";

/** The time now in milliseconds, told again every `every` milliseconds while `active`. */
export function useNow(every: number, active = true): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!active) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every, active]);
  return now;
}

/** Runs `task` again `every` milliseconds while the page is looked at, and at once when it is again. */
export function usePolling(task: () => void, every: number): void {
  const latest = useRef(task);
  latest.current = task;
  useEffect(() => {
    const tick = () => {
      if (document.visibilityState === "visible") latest.current();
    };
    const timer = setInterval(tick, every);
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  }, [every]);
}

/** `text`, changed at most every `every` milliseconds, so a screen reader is not talked over. */
export function useThrottled(text: string, every: number): string {
  const [told, setTold] = useState(text);
  const last = useRef(0);
  useEffect(() => {
    const wait = Math.max(0, last.current + every - Date.now());
    const timer = setTimeout(() => {
      last.current = Date.now();
      setTold(text);
    }, wait);
    return () => clearTimeout(timer);
  }, [text, every]);
  return told;
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === "" ? "Chainlets" : `${title} · Chainlets`;
  }, [title]);
}

/** The title of a page takes the focus when one comes to it from another, so that it is read out. */
export function useFocusOnArrival<T extends HTMLElement>() {
  const ref = useRef<T>(null);
  useEffect(() => {
    if (history.state?.arrived) ref.current?.focus({ preventScroll: true });
  }, []);
  return ref;
}

/** Keeps the end of growing text in sight, unless a reader has scrolled away from it. */
export function useStayAtEnd<T extends HTMLElement>(text: string, active: boolean) {
  const ref = useRef<T>(null);
  const height = useRef(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: more text is what moves the end
  useLayoutEffect(() => {
    const box = ref.current;
    if (box === null) return;
    const wasAtEnd = box.scrollTop + box.clientHeight > height.current - 24;
    if (active && wasAtEnd) box.scrollTop = box.scrollHeight;
    height.current = box.scrollHeight;
  }, [text]);
  return ref;
}
