import type { Json } from "../api/types";
import { bytes } from "../ui/format";
import { filesIn } from "./files";

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
