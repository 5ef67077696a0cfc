/**
 * The live events of one run: history by pages, then a socket that asks from the last seq, and
 * pages again every two seconds where no socket can be had. A gap is fetched, never guessed.
 */
import { ApiError } from "../api/client";
import type { RunEvent } from "../api/types";
import { EMPTY, fold, type RunView } from "./fold";

export type Link = "loading" | "live" | "polling" | "offline";

export interface Snapshot {
  view: RunView;
  link: Link;
  /** Why there is nothing to show: the run does not exist, or nobody is logged in. */
  error: ApiError | null;
}

/** The part of WebSocket that the feed uses; tests bring their own. */
export interface Socket {
  addEventListener(type: "open", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: string }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number }) => void): void;
  close(): void;
}

export interface FeedSource {
  getEvents: (after: number) => Promise<{ events: RunEvent[]; last_seq: number }>;
  openSocket: (after: number) => Socket;
  onSignedOut: () => void;
}

const BATCH_MS = 60; // a burst of events becomes one drawing
const POLL_MS = 2000;
const RETRY_MS = [250, 500, 1000, 2000, 4000, 8000];
const QUIET_MS = 15_000; // a socket silent for so long is checked against the history

export class RunFeed {
  private snapshotNow: Snapshot = { view: EMPTY, link: "loading", error: null };
  private readonly listeners = new Set<() => void>();
  private readonly source: FeedSource;
  private socket: Socket | null = null;
  private pending: RunEvent[] = [];
  private batch: ReturnType<typeof setTimeout> | undefined;
  private reconnect: ReturnType<typeof setTimeout> | undefined;
  private tick: ReturnType<typeof setInterval> | undefined;
  private failures = 0;
  private heardAt = 0;
  private fetching: Promise<boolean> | null = null;
  private stopped = false;

  constructor(source: FeedSource) {
    this.source = source;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): Snapshot => this.snapshotNow;

  async start(): Promise<void> {
    this.stopped = false;
    this.tick = setInterval(() => this.watch(), POLL_MS);
    await this.catchUp();
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.tick);
    clearTimeout(this.batch);
    clearTimeout(this.reconnect);
    this.dropSocket();
  }

  /** Tries at once what would be tried soon: the network is back, or the page is looked at again. */
  wake(): void {
    if (this.stopped || this.socket !== null) return;
    clearTimeout(this.reconnect);
    this.connect();
  }

  private publish(change: Partial<Snapshot>): void {
    if (this.stopped) return;
    this.snapshotNow = { ...this.snapshotNow, ...change };
    for (const listener of this.listeners) listener();
  }

  /** Fetches all that is new; one fetch at a time. True if the server answered. */
  private catchUp(): Promise<boolean> {
    this.fetching ??= this.fetchPages().finally(() => {
      this.fetching = null;
    });
    return this.fetching;
  }

  private async fetchPages(): Promise<boolean> {
    try {
      for (;;) {
        const before = this.snapshotNow.view;
        const { events, last_seq } = await this.source.getEvents(before.seq);
        const view = fold(before, events);
        if (view !== before) this.publish({ view });
        if (view.seq >= last_seq || view === before) return true;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401 || error.status === 404) this.giveUp(error);
      else this.publish({ link: "offline" });
      return false;
    }
  }

  private giveUp(error: ApiError): void {
    this.publish({ error });
    if (error.status === 401) this.source.onSignedOut();
    this.stop();
  }

  private connect(): void {
    if (this.stopped || this.socket !== null) return;
    const socket = this.source.openSocket(this.snapshotNow.view.seq);
    this.socket = socket;
    // A socket that was dropped may still speak; only the current one is heard.
    const current = () => this.socket === socket;
    socket.addEventListener("open", () => {
      if (!current()) return;
      this.failures = 0;
      this.heardAt = Date.now();
      this.publish({ link: "live" });
    });
    socket.addEventListener("message", ({ data }) => {
      if (!current()) return;
      this.heardAt = Date.now();
      this.pending.push(JSON.parse(data) as RunEvent);
      this.batch ??= setTimeout(() => void this.foldPending(), BATCH_MS);
    });
    socket.addEventListener("close", ({ code }) => {
      if (current()) this.lost(code);
    });
  }

  private lost(code: number): void {
    this.dropSocket();
    if (this.stopped) return;
    if (code === 4401 || code === 4404) {
      const gone = code === 4404;
      this.giveUp(
        gone
          ? new ApiError(404, "not_found", "There is no such run.")
          : new ApiError(401, "signed_out", "Log in again."),
      );
      return;
    }
    const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)] ?? 8000;
    this.failures += 1;
    // A little chance keeps a hundred pages from knocking in the same moment.
    this.reconnect = setTimeout(() => this.connect(), wait * (0.75 + Math.random() / 2));
  }

  private dropSocket(): void {
    if (this.socket === null) return;
    const socket = this.socket;
    this.socket = null;
    socket.close();
  }

  private async foldPending(): Promise<void> {
    this.batch = undefined;
    this.foldInOrder();
    if (this.pending.length === 0 || !(await this.catchUp())) return;
    this.foldInOrder();
  }

  /** Folds what joins on without a gap; what comes after a gap stays pending. */
  private foldInOrder(): void {
    const { view } = this.snapshotNow;
    this.pending.sort((a, b) => a.seq - b.seq);
    const next: RunEvent[] = [];
    let seq = view.seq;
    let taken = 0;
    for (const event of this.pending) {
      if (event.seq > seq + 1) break;
      taken += 1;
      if (event.seq <= seq) continue;
      seq = event.seq;
      next.push(event);
    }
    this.pending.splice(0, taken);
    if (next.length > 0) this.publish({ view: fold(view, next) });
  }

  /** Every two seconds: polls while there is no socket, and looks after one that went quiet. */
  private async watch(): Promise<void> {
    const { link, view } = this.snapshotNow;
    if (link === "live" && this.socket !== null) {
      const over = ["succeeded", "failed", "cancelled"].includes(view.state);
      if (over || Date.now() - this.heardAt < QUIET_MS) return;
      this.heardAt = Date.now();
      const { seq } = view;
      if ((await this.catchUp()) && this.snapshotNow.view.seq > seq && !this.stopped) {
        // The history went on without the socket: it is dead, whatever it says.
        this.dropSocket();
        this.connect();
      }
      return;
    }
    // One failed socket is a restart or a blink; the second is worth a word.
    if (this.failures < 2 && link !== "offline") return;
    if (await this.catchUp()) {
      if (this.snapshotNow.link !== "live" || this.socket === null)
        this.publish({ link: "polling" });
    }
  }
}
