import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { ApiError, getEvents, getRun, getSession } from "../api/client";
import type { Run, RunState } from "../api/types";
import { usePolling } from "../ui/hooks";
import { RunFeed, type Snapshot, type Socket } from "./feed";

export interface LiveRun extends Snapshot {
  id: string;
  /** The row as REST gives it: input, output, files and what it waits for. */
  run: Run | null;
  refresh: () => void;
}

/** One run, live: what events can tell comes from the fold, the rest from REST when the state turns. */
export function useRun(id: string): LiveRun {
  const [feed] = useState(
    () =>
      new RunFeed({
        getEvents: (after) => getEvents(id, after),
        openSocket: (after) => openSocket(id, after),
        // Asking for the session shows the login page if there is none any more.
        onSignedOut: () => void getSession().catch(() => {}),
      }),
  );
  const live = useSyncExternalStore(feed.subscribe, feed.snapshot);
  const [run, setRun] = useState<Run | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);

  useEffect(() => {
    void feed.start();
    const wake = () => {
      if (document.visibilityState === "visible") feed.wake();
    };
    window.addEventListener("online", wake);
    document.addEventListener("visibilitychange", wake);
    return () => {
      window.removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wake);
      feed.stop();
    };
  }, [feed]);

  const refresh = useCallback(() => {
    getRun(id).then(
      (fresh) => {
        setRun(fresh);
        setProblem(null);
      },
      (error: unknown) => {
        if (!(error instanceof ApiError)) throw error;
        // Without the server the last answer stays; the feed says that it is away.
        if (!error.offline) setProblem(error);
      },
    );
  }, [id]);

  const { state } = live.view;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new state is what makes the row worth fetching
  useEffect(refresh, [refresh, state]);
  const over = isOver(state) && run?.state === state;
  usePolling(() => {
    if (!over) refresh();
  }, 5000);
  return { ...live, id, run, error: live.error ?? problem, refresh };
}

export function isOver(state: RunState): boolean {
  return state !== "queued" && state !== "running";
}

function openSocket(id: string, after: number): Socket {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return new WebSocket(`${scheme}://${location.host}/ws/runs/${id}?after=${after}`);
}
