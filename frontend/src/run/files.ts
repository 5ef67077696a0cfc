import type { Json, StoredFile } from "../api/types";

/** Every file handle in a value, however deep. */
export function filesIn(value: Json): StoredFile[] {
  if (value === null || typeof value !== "object") return [];
  if (Array.isArray(value)) return value.flatMap(filesIn);
  const { id, sha256, size, name } = value;
  if (typeof id === "string" && typeof sha256 === "string" && typeof size === "number") {
    return [{ ...value, id, size, name: String(name) } as unknown as StoredFile];
  }
  return Object.values(value).flatMap(filesIn);
}
