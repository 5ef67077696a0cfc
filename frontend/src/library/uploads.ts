/** Uploads and the runs they start. They live outside the pages, so going from page to page stops none. */
import {
  ApiError,
  csrf,
  deleteFile,
  problem,
  randomKey,
  startRun,
  UNREACHABLE,
} from "../api/client";
import type { Json, StoredFile } from "../api/types";
import { bytes } from "../ui/format";

export interface UploadOptions {
  /** ISO 639-1, or empty to let the model find out. */
  language: string;
  task: "transcribe" | "translate";
}

export interface Upload {
  key: string;
  name: string;
  size: number;
  sent: number;
  state: "waiting" | "sending" | "starting" | "failed";
  /** A sentence for the person, once it has failed. */
  problem: string;
  /** Whether the same file may be tried again as it is. */
  retryable: boolean;
}

interface Job {
  upload: Upload;
  file: File;
  options: UploadOptions;
  request: XMLHttpRequest | null;
  stored: StoredFile | null;
}

const AT_ONCE = 2;

let jobs: Job[] = [];
let snapshot: readonly Upload[] = [];
let maxBytes = Number.POSITIVE_INFINITY;
const listeners = new Set<() => void>();
const startedListeners = new Set<() => void>();

export function setMaxBytes(limit: number): void {
  maxBytes = limit;
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function uploads(): readonly Upload[] {
  return snapshot;
}

/** Called after each run that an upload has started. */
export function onStarted(listener: () => void): () => void {
  startedListeners.add(listener);
  return () => startedListeners.delete(listener);
}

export function add(files: Iterable<File>, options: UploadOptions): void {
  for (const file of files) {
    const upload: Upload = {
      key: randomKey(),
      name: file.name,
      size: file.size,
      sent: 0,
      state: "waiting",
      problem: "",
      retryable: false,
    };
    const job: Job = { upload, file, options, request: null, stored: null };
    jobs = [...jobs, job];
    const hopeless = unsuitable(file);
    if (hopeless !== "") change(job, { state: "failed", problem: hopeless });
  }
  publish();
  sendNext();
}

/** Stops an upload, or clears one that has failed; nothing of it stays on the server. */
export function remove(key: string): void {
  const job = jobs.find((candidate) => candidate.upload.key === key);
  if (job === undefined) return;
  jobs = jobs.filter((candidate) => candidate !== job);
  job.request?.abort();
  if (job.stored !== null) deleteFile(job.stored.id).catch(() => {});
  publish();
  sendNext();
}

export function retry(key: string): void {
  const job = jobs.find((candidate) => candidate.upload.key === key);
  if (job === undefined || !job.upload.retryable) return;
  change(job, { state: "waiting", problem: "", sent: 0 });
  sendNext();
}

function unsuitable(file: File): string {
  if (file.size === 0) return "This file is empty. Choose the recording itself.";
  if (file.size <= maxBytes) return "";
  return `This file is ${bytes(file.size)}; this server takes up to ${bytes(maxBytes)}. Save the sound alone, or cut the file in two.`;
}

function sendNext(): void {
  const busy = jobs.filter(({ upload }) => upload.state === "sending").length;
  const waiting = jobs.filter(({ upload }) => upload.state === "waiting");
  for (const job of waiting.slice(0, Math.max(0, AT_ONCE - busy))) void send(job);
}

async function send(job: Job): Promise<void> {
  try {
    if (job.stored === null) {
      change(job, { state: "sending" });
      job.stored = await post(job);
      sendNext();
    }
    if (!jobs.includes(job)) return;
    change(job, { state: "starting", sent: job.file.size });
    const { language, task } = job.options;
    const input: Record<string, Json> = { audio: job.stored.id };
    if (language !== "") input.language = language;
    if (task !== "transcribe") input.task = task;
    await startRun({ chain: "transcribe", input, title: titleOf(job.file.name) }, job.upload.key);
    jobs = jobs.filter((candidate) => candidate !== job);
    publish();
    for (const listener of startedListeners) listener();
  } catch (error) {
    if (!jobs.includes(job)) return;
    const failure = error instanceof ApiError ? error : UNREACHABLE;
    change(job, { state: "failed", problem: words(failure, job), retryable: retryable(failure) });
    sendNext();
  }
}

/** One multipart upload with progress, which fetch cannot tell. */
function post(job: Job): Promise<StoredFile> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    job.request = request;
    request.open("POST", "/api/files");
    request.setRequestHeader("X-CSRFToken", csrf());
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      change(job, { sent: Math.min(event.loaded, job.file.size) });
    };
    request.onload = () => {
      if (request.status === 201) resolve(JSON.parse(request.responseText) as StoredFile);
      else reject(problem(request.status, request.responseText));
    };
    request.onerror = () => reject(UNREACHABLE);
    request.ontimeout = () => reject(UNREACHABLE);
    const form = new FormData();
    form.append("file", job.file, job.file.name);
    request.send(form);
  });
}

function words(error: ApiError, job: Job): string {
  if (error.offline) {
    return job.stored === null
      ? "The connection broke before the file had arrived. Try again when it is back."
      : "The file has arrived, but the server could not be reached to start. Try again.";
  }
  const fields = Object.values(error.errors).flat().join(" ");
  return fields === "" || error.message.includes(fields)
    ? error.message
    : `${error.message} ${fields}`;
}

/** The same bytes meet the same answer, so only trouble on the way is worth another try. */
function retryable(error: ApiError): boolean {
  return error.offline || error.status === 429 || error.status >= 500;
}

/** "Board meeting.final.m4a" → "Board meeting.final". */
export function titleOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(0, dot) : name;
}

function change(job: Job, fields: Partial<Upload>): void {
  job.upload = { ...job.upload, ...fields };
  publish();
}

function publish(): void {
  snapshot = jobs.map(({ upload }) => upload);
  for (const listener of listeners) listener();
}

/** True while leaving the page would lose something. */
export function busy(): boolean {
  return jobs.some(({ upload }) => upload.state !== "failed");
}
