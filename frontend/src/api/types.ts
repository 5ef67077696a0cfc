/** What the REST API and the event stream carry, as the server writes it. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type RunState = "queued" | "running" | "succeeded" | "failed" | "cancelled";

/** A failure with what caused it; the innermost `cause` is where it began. */
export interface ErrorTree {
  type: string;
  module: string;
  message: string;
  /** Null if it happened in the chainlet of the failure above. */
  chainlet: string | null;
  invocation: string | null;
  attempt: number | null;
  /** Runs of earlier versions do not have it. */
  worker?: string | null;
  frames: { file: string; line: number; name: string; code: string | null }[];
  cause: ErrorTree | null;
}

export interface StoredFile {
  id: string;
  name: string;
  /** Bytes. */
  size: number;
  media_type: string;
  url: string;
}

export interface Progress {
  done: number;
  total: number;
  message: string;
}

/** Calls on a queue that no live worker serves. */
export interface Wait {
  queue: string;
  count: number;
  /** When the oldest of them entered the queue. */
  since: string;
  /** What became of the worker that served the queue last. */
  reason: "no_worker" | "worker_stopped" | "worker_lost";
}

export interface Run {
  id: string;
  chain: string;
  version: number;
  state: RunState;
  title: string;
  input: Record<string, Json>;
  output: Json;
  error: ErrorTree | null;
  progress: Progress | null;
  warnings: string[];
  waiting_for: Wait[];
  last_seq: number;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  /** When the run fails if it has not ended by then. */
  deadline_at: string | null;
  /** The run that this one repeats; it may be gone. */
  rerun_of: string | null;
  url: string;
  files: StoredFile[];
}

export interface RunEvent {
  seq: number;
  /** ISO 8601, UTC, microseconds. */
  at: string;
  type: string;
  invocation: string | null;
  data: Record<string, Json>;
}

export interface Page<T> {
  results: T[];
  next: string | null;
}

/** Times in seconds of the file; confidence 0 to 1. */
export interface Segment {
  start: number;
  end: number;
  text: string;
  confidence: number | null;
}

/** The transcription chain's output. */
export interface Transcript {
  duration: number;
  language: string;
  language_probability: number;
  model: string;
  text: string;
  segments: Segment[];
  warnings: string[];
}

export interface Session {
  user: { username: string; is_staff: boolean };
  csrf_token: string;
  limits: { max_upload_bytes: number };
  machine: { gpu: boolean };
}
