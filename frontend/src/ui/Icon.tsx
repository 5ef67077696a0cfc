/** Line icons on a 16-pixel grid; always beside a word or inside something that has a name. */
const PATHS = {
  waiting: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM8 4.8V8l2.2 1.5",
  running: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2Z",
  done: "M2.8 8.6 6.2 12l7-8",
  bad: "M8 2.6v6.6M8 12.6v.4",
  stopped: "M3.4 8h9.2",
  library: "M2.5 3.2h11M2.5 8h11M2.5 12.8h7",
  download: "M8 2.5v7.6M4.8 7 8 10.2 11.2 7M2.8 13.3h10.4",
  down: "M8 2.8v10M3.8 8.8 8 13l4.2-4.2",
  chevron: "M4 6.2 8 10.2 12 6.2",
  close: "M3.8 3.8l8.4 8.4M12.2 3.8l-8.4 8.4",
  upload: "M8 10.4V2.6M4.8 5.6 8 2.4 11.2 5.6M2.8 13.3h10.4",
  scissors:
    "M4.4 2.6a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6ZM4.4 9.8a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6ZM5.9 5.4 13.2 12M5.9 10.6 13.2 4",
} as const;

export type IconName = keyof typeof PATHS | "play" | "pause";

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.7"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {name === "play" && <path d="M5 3.2v9.6L13 8Z" fill="currentColor" />}
      {name === "pause" && <path d="M5.2 3.6v8.8M10.8 3.6v8.8" strokeWidth="2.6" />}
      {name === "running" && (
        <path d="M8 2.2a5.8 5.8 0 0 0 0 11.6Z" fill="currentColor" stroke="none" />
      )}
      {name !== "play" && name !== "pause" && <path d={PATHS[name]} />}
    </svg>
  );
}

/** Two links of a chain: the mark of the product. */
export function Mark() {
  return (
    <svg width="26" height="16" viewBox="0 0 26 16" className="mark" aria-hidden="true">
      <rect x="1.4" y="3.4" width="13" height="9" rx="4.5" />
      <rect x="11.4" y="3.4" width="13" height="9" rx="4.5" />
    </svg>
  );
}
