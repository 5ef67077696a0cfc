/** Three addresses and the browser's own history; filters and pages live in the query. */
import { type MouseEvent, type ReactNode, useSyncExternalStore } from "react";

export type Route =
  | { page: "library"; cursor: string }
  | { page: "run"; id: string }
  | { page: "unknown" };

const listeners = new Set<() => void>();
const changed = () => {
  for (const listener of listeners) listener();
};
window.addEventListener("popstate", changed);

export function navigate(to: string): void {
  history.pushState({ arrived: true }, "", to);
  window.scrollTo(0, 0);
  changed();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useRoute(): Route {
  return parse(useSyncExternalStore(subscribe, () => location.pathname + location.search));
}

export function parse(address: string): Route {
  const { pathname, searchParams } = new URL(address, "http://page");
  if (pathname === "/") return { page: "library", cursor: searchParams.get("cursor") ?? "" };
  const run = /^\/runs\/([0-9a-f-]+)\/?$/i.exec(pathname);
  return run?.[1] ? { page: "run", id: run[1] } : { page: "unknown" };
}

export function Link({
  to,
  className,
  children,
  current = false,
}: {
  to: string;
  className?: string;
  children: ReactNode;
  current?: boolean;
}) {
  function follow(event: MouseEvent) {
    // A new tab or window is the browser's to open.
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    event.preventDefault();
    navigate(to);
  }
  return (
    <a
      href={to}
      onClick={follow}
      {...(className ? { className } : {})}
      {...(current ? { "aria-current": "page" as const } : {})}
    >
      {children}
    </a>
  );
}
