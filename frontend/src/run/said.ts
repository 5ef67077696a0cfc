/** The part of the fold that is about what a call says while it works. */
import type { Json, RunEvent } from "../api/types";

/** A line that a call kept with itself. */
export interface LogLine {
  at: string;
  level: "debug" | "info" | "warning" | "error";
  message: string;
  fields: Record<string, Json>;
}

/** Where a call blocked the event loop it runs on, and for how many seconds. */
export interface Blocked {
  at: string;
  seconds: number;
  file: string;
  line: number;
  name: string;
  code: string;
}

/** What the newest attempt of a streaming call has given so far. */
export interface Output {
  pieces: number;
  /** The pieces that are text, joined. */
  text: string;
  /** Length of the pieces that are bytes. */
  bytes: number;
}

export interface Said {
  logs: LogLine[];
  blocked: Blocked[];
  /** Null before the first piece. */
  output: Output | null;
}

export const SILENT: Said = { logs: [], blocked: [], output: null };

/** What a call says while it works: lines of its log, that it blocked its loop, pieces of its stream. */
export function said(
  before: Said & { attempt: number },
  type: string,
  at: string,
  data: RunEvent["data"],
): Partial<Said> {
  switch (type) {
    case "log": {
      const { level, message, fields } = data as unknown as LogLine;
      return { logs: [...before.logs, { at, level, message, fields }] };
    }
    case "invocation.blocked": {
      const { seconds, file, line, name, code } = data as unknown as Blocked;
      return { blocked: [...before.blocked, { at, seconds, file, line, name, code }] };
    }
    case "invocation.output": {
      const soFar = before.output ?? { pieces: 0, text: "", bytes: 0 };
      const index = data.index as number;
      if (data.attempt !== before.attempt || index < soFar.pieces) return {};
      const output = {
        pieces: index + 1,
        text: soFar.text + text(data.text),
        bytes: soFar.bytes + decodedSize(text(data.base64)),
      };
      return { output };
    }
    default:
      return {};
  }
}

function decodedSize(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return Math.floor(base64.length / 4) * 3 - padding;
}

export function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}
