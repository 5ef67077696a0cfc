import { useSyncExternalStore } from "react";
import { Bar } from "../ui/Bar";
import { bytes } from "../ui/format";
import { Icon } from "../ui/Icon";
import { remove, retry, subscribe, type Upload, uploads } from "./uploads";

/** Files on their way to the server, and those that did not get there with what to do. */
export function UploadList() {
  const going = useSyncExternalStore(subscribe, uploads);
  if (going.length === 0) return null;
  return (
    <section className="card list uploads" aria-label="Uploads">
      <ul>
        {going.map((upload) => (
          <li key={upload.key} className="upload">
            <div className="what">
              <span className="t">{upload.name}</span>
              {upload.state === "failed" ? (
                <p className="problem" role="alert">
                  <Icon name="bad" size={13} />
                  {upload.problem}
                </p>
              ) : (
                <>
                  <Bar value={fraction(upload)} label={`Upload of ${upload.name}`} />
                  <small>{words(upload)}</small>
                </>
              )}
            </div>
            <div className="acts">
              {upload.retryable && upload.state === "failed" && (
                <button type="button" className="btn" onClick={() => retry(upload.key)}>
                  Try again
                </button>
              )}
              <button
                type="button"
                className="btn quiet"
                aria-label={`${upload.state === "failed" ? "Dismiss" : "Cancel upload of"} ${upload.name}`}
                onClick={() => remove(upload.key)}
              >
                {upload.state === "failed" ? "Dismiss" : "Cancel"}
              </button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function fraction(upload: Upload): number {
  return upload.size > 0 ? upload.sent / upload.size : 0;
}

function words(upload: Upload): string {
  if (upload.state === "waiting") return `${bytes(upload.size)}, waits for the others`;
  const arrived = upload.sent >= upload.size;
  if (upload.state === "starting" || arrived) return "Arrived. The server looks into the file.";
  const percent = Math.floor(fraction(upload) * 100);
  return `${percent} % · ${bytes(upload.sent)} of ${bytes(upload.size)}`;
}
