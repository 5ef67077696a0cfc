import type { RunState } from "../api/types";
import { Icon, type IconName } from "./Icon";

interface Look {
  word: string;
  icon: IconName;
  tone: "wait" | "run" | "ok" | "bad" | "none";
}

const LOOKS: Record<RunState, Look> = {
  queued: { word: "Waiting", icon: "waiting", tone: "wait" },
  running: { word: "Running", icon: "running", tone: "run" },
  succeeded: { word: "Ready", icon: "done", tone: "ok" },
  failed: { word: "Failed", icon: "bad", tone: "bad" },
  cancelled: { word: "Cancelled", icon: "stopped", tone: "none" },
};

/** A run's state as word, sign and colour, the same on every page. */
export function StatePill({ state, chain }: { state: RunState; chain: string }) {
  const { word, icon, tone } = LOOKS[state];
  return (
    <span className={`pill ${tone}`}>
      <Icon name={icon} size={13} />
      {state === "running" && chain === "transcribe" ? "Transcribing" : word}
    </span>
  );
}
