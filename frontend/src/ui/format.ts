/** Times, sizes and ages as people write them. */

/** 252.4 → "4:12"; an hour and more → "1:52:08". */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = String(whole % 60).padStart(2, "0");
  return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** As clock, minutes always two digits, so a column of them lines up: "04:12". */
export function stamp(seconds: number): string {
  const text = clock(seconds);
  return text.length === 4 ? `0${text}` : text;
}

/** "65", "65.5", "1:05", "1:02:03" → seconds; anything else → null. */
export function parseTime(text: string): number | null {
  const match = /^(?:(?:(\d+):)?([0-5]?\d):([0-5]?\d(?:\.\d+)?)|(\d+(?:\.\d+)?))$/.exec(
    text.trim(),
  );
  if (match === null) return null;
  const [, h, m, s, plain] = match;
  if (plain !== undefined) return Number(plain);
  return Number(h ?? 0) * 3600 + Number(m) * 60 + Number(s);
}

/** A length of work: "0.4 s", "42 s", "4 min 10 s", "1 h 05 min". */
export function span(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (whole < 3600) return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** An estimate never looks more exact than it is: "about 1 min 20 s". */
export function about(seconds: number): string {
  if (seconds < 5) return "a few seconds";
  if (seconds < 57) return `about ${Math.ceil(seconds / 5) * 5} s`;
  if (seconds < 300) return `about ${span(Math.round(seconds / 10) * 10)}`;
  return `about ${span(Math.round(seconds / 60) * 60)}`;
}

/** How long ago, or the day once that says more. */
export function ago(iso: string, now: number): string {
  const then = new Date(iso);
  const seconds = (now - then.getTime()) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 22 * 3600) return `${Math.max(1, Math.round(seconds / 3600))} h ago`;
  const sameYear = then.getFullYear() === new Date(now).getFullYear();
  return then.toLocaleDateString("en-GB", {
    day: "numeric",
    month: "short",
    ...(sameYear ? {} : { year: "numeric" }),
  });
}

export function moment(iso: string): string {
  return new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

/** Decimal units, as file managers show them: "4.3 GB". */
export function bytes(count: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const languageNames = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

/** "de" → "German"; an unknown code stays as it is. */
export function languageName(code: string): string {
  try {
    return languageNames.of(code) ?? code;
  } catch {
    return code;
  }
}

/** "1 line", "2 lines". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-GB")} ${count === 1 ? one : many}`;
}
