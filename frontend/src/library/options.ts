/** The options of the next uploads; kept while the page is open, so that ten files need one choice. */
import { languageName } from "../ui/format";
import type { UploadOptions } from "./uploads";

// What Whisper models know, by the codes they use. "jw" is their name for Javanese.
const CODES =
  "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh";

export const LANGUAGES: readonly { code: string; name: string }[] = CODES.split(" ")
  .map((code) => ({ code, name: languageName(code === "jw" ? "jv" : code) }))
  .sort((a, b) => a.name.localeCompare(b.name, "en"));

let current: UploadOptions = { language: "", task: "transcribe" };
const listeners = new Set<() => void>();

export function options(): UploadOptions {
  return current;
}

export function setOptions(change: Partial<UploadOptions>): void {
  current = { ...current, ...change };
  for (const listener of listeners) listener();
}

export function subscribeOptions(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
