import { type RefObject, useEffect, useLayoutEffect, useRef } from "react";

/** Below the player, which stays at the top of the window. */
const EYE = 110;

/**
 * Keeps the row being read where it is when rows above it grow. Browsers do so by themselves, except
 * those without scroll anchoring, which are the only ones this hook acts in.
 */
export function useStayPut(list: RefObject<HTMLElement | null>): void {
  const held = useRef<{ row: Element; top: number } | null>(null);
  const needed = useRef(!CSS.supports("overflow-anchor", "auto"));

  useEffect(() => {
    if (!needed.current) return;
    const remember = () => {
      held.current = rowAtEye(list.current);
    };
    window.addEventListener("scroll", remember, { passive: true });
    return () => window.removeEventListener("scroll", remember);
  }, [list]);

  useLayoutEffect(() => {
    if (!needed.current) return;
    if (held.current?.row.isConnected && window.scrollY > 0) {
      const moved = held.current.row.getBoundingClientRect().top - held.current.top;
      if (Math.abs(moved) >= 1) window.scrollBy({ top: moved, behavior: "instant" });
    }
    held.current = rowAtEye(list.current);
  });
}

function rowAtEye(list: HTMLElement | null): { row: Element; top: number } | null {
  if (list === null) return null;
  const { left, width } = list.getBoundingClientRect();
  const row = document.elementFromPoint(left + width / 2, EYE)?.closest("li");
  return row && list.contains(row) ? { row, top: row.getBoundingClientRect().top } : null;
}
