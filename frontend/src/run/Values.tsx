import type { Json, StoredFile } from "../api/types";
import { bytes } from "../ui/format";

/** A run's input or output as it is, and a link for each file in it. */
export function Values({ title, value }: { title: string; value: Json }) {
  const files = filesIn(value);
  return (
    <section className="card values" aria-label={title}>
      <h2>{title}</h2>
      {files.map((file) => (
        <p key={file.id}>
          <a href={`/api/files/${file.id}/content?download=1`} download>
            {file.name}
          </a>{" "}
          <small>{bytes(file.size)}</small>
        </p>
      ))}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: an area that scrolls must take the focus */}
      <pre tabIndex={0}>{typeof value === "string" ? value : JSON.stringify(value, null, 2)}</pre>
    </section>
  );
}

/** Every file handle in a value, however deep. */
function filesIn(value: Json): StoredFile[] {
  if (value === null || typeof value !== "object") return [];
  if (Array.isArray(value)) return value.flatMap(filesIn);
  const { id, sha256, size, name } = value;
  if (typeof id === "string" && typeof sha256 === "string" && typeof size === "number") {
    return [{ ...value, id, size, name: String(name) } as unknown as StoredFile];
  }
  return Object.values(value).flatMap(filesIn);
}
