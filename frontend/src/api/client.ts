/** The one place that talks HTTP: same origin, session cookie, CSRF header, errors as sentences. */
import type { Json, Page, Run, RunEvent, Session, StoredFile } from "./types";

/** The server answered with an error (status > 0) or could not be reached (status 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly errors: Record<string, string[]>;

  constructor(status: number, code: string, detail: string, errors: Record<string, string[]> = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.errors = errors;
  }

  get offline(): boolean {
    return this.status === 0;
  }
}

export const UNREACHABLE = new ApiError(
  0,
  "unreachable",
  "The server cannot be reached. Check the connection and that the server runs.",
);

let csrfToken = "";
let signedOut: () => void = () => {};

/** Called whenever the server says that nobody is logged in. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

export function csrf(): string {
  return csrfToken;
}

/** Turns a problem+json answer into an error that can be shown as it is. */
export function problem(status: number, body: string): ApiError {
  if (status === 401) signedOut();
  try {
    const { code, detail, title, errors } = JSON.parse(body) as Record<string, unknown>;
    const fields = (errors ?? {}) as Record<string, string[]>;
    const words = String(detail ?? title ?? "");
    if (words !== "") return new ApiError(status, String(code ?? ""), words, fields);
  } catch {
    // A proxy or a crash answered with something else than JSON.
  }
  return new ApiError(
    status,
    "",
    `The server answered ${status} without saying why. Its log has the details.`,
  );
}

async function request<T>(
  method: string,
  path: string,
  options: { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  const init: RequestInit = { method, headers, credentials: "same-origin" };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken;
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  if (options.signal) init.signal = options.signal;
  let response: Response;
  let body: string;
  try {
    response = await fetch(path, init);
    body = await response.text();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw UNREACHABLE;
  }
  if (!response.ok) throw problem(response.status, body);
  return (body === "" ? undefined : JSON.parse(body)) as T;
}

/** The session, or null if nobody is logged in. */
export async function getSession(): Promise<Session | null> {
  try {
    const session = await request<Session>("GET", "/api/session");
    csrfToken = session.csrf_token;
    return session;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

export async function logIn(username: string, password: string): Promise<Session | null> {
  await request("POST", "/api/session/login", { body: { username, password } });
  // Django gives a new CSRF token at login; the session answer carries it.
  return getSession();
}

export async function logOut(): Promise<void> {
  await request("POST", "/api/session/logout");
}

export function listRuns(cursor: string, signal?: AbortSignal): Promise<Page<Run>> {
  const query = cursor === "" ? "" : `?cursor=${encodeURIComponent(cursor)}`;
  return request("GET", `/api/runs${query}`, signal ? { signal } : {});
}

export function getRun(id: string): Promise<Run> {
  return request("GET", `/api/runs/${id}`);
}

export interface NewRun {
  chain: string;
  input: Record<string, Json>;
  title?: string;
}

/** Starts a run; the same key never starts a second one, so it is safe to try again. */
export function startRun(run: NewRun, idempotencyKey: string): Promise<Run> {
  return request("POST", "/api/runs", {
    body: run,
    headers: { "Idempotency-Key": idempotencyKey },
  });
}

export function actOnRun(id: string, action: "cancel" | "resume"): Promise<Run> {
  return request("POST", `/api/runs/${id}/${action}`);
}

/** Starts a new run that keeps what this one finished, but for the call `from` and all below it. */
export function rerun(id: string, from: string): Promise<Run> {
  return request("POST", `/api/runs/${id}/rerun`, { body: { from } });
}

export function deleteRun(id: string): Promise<void> {
  return request("DELETE", `/api/runs/${id}`);
}

export function getEvents(
  id: string,
  after: number,
  signal?: AbortSignal,
): Promise<{ events: RunEvent[]; last_seq: number }> {
  const path = `/api/runs/${id}/events?after=${after}&limit=1000`;
  return request("GET", path, signal ? { signal } : {});
}

export function getFile(id: string): Promise<StoredFile> {
  return request("GET", `/api/files/${id}`);
}

export function deleteFile(id: string): Promise<void> {
  return request("DELETE", `/api/files/${id}`);
}

export function getPeaks(id: string): Promise<{ per_second: number; peaks: number[] }> {
  return request("GET", contentUrl(id));
}

export function contentUrl(fileId: string): string {
  return `/api/files/${fileId}/content`;
}

/** 128 random bits; crypto.randomUUID is missing where the page is served over plain HTTP. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
