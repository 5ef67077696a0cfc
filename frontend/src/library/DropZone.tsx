import { useRef, useSyncExternalStore } from "react";
import { Icon } from "../ui/Icon";
import { LANGUAGES, options, setOptions, subscribeOptions } from "./options";
import { add, type UploadOptions } from "./uploads";

const ACCEPT = "audio/*,video/*,.amr,.aac,.flac,.m4a,.m4b,.mka,.mkv,.oga,.ogg,.opus,.ts,.wma";

/** The top of the library; the whole of it while there is nothing else to show. */
export function DropZone({ alone }: { alone: boolean }) {
  const input = useRef<HTMLInputElement>(null);
  const { language, task } = useSyncExternalStore(subscribeOptions, options);
  return (
    <section className={alone ? "drop alone" : "drop"} aria-label="New transcription">
      <div>
        <b>Drop audio or video here</b>
        <p>Hours are fine. Several files too. Nothing leaves this server.</p>
      </div>
      <div className="choose">
        <button type="button" className="btn main" onClick={() => input.current?.click()}>
          <Icon name="upload" />
          Choose files
        </button>
        <input
          ref={input}
          type="file"
          multiple
          hidden
          accept={ACCEPT}
          onChange={(event) => {
            add(event.target.files ?? [], options());
            event.target.value = "";
          }}
        />
        <details className="options">
          <summary className="btn">
            {summary(language, task)}
            <Icon name="chevron" size={13} />
          </summary>
          <div className="fields">
            <label>
              Language spoken
              <select
                value={language}
                onChange={(event) => setOptions({ language: event.target.value })}
              >
                <option value="">Detect</option>
                {LANGUAGES.map(({ code, name }) => (
                  <option key={code} value={code}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            <label>
              Text
              <select
                value={task}
                onChange={(event) =>
                  setOptions({ task: event.target.value as UploadOptions["task"] })
                }
              >
                <option value="transcribe">In the language spoken</option>
                <option value="translate">Translated into English</option>
              </select>
            </label>
          </div>
        </details>
      </div>
    </section>
  );
}

function summary(code: string, task: UploadOptions["task"]): string {
  const name = LANGUAGES.find((language) => language.code === code)?.name ?? "detect";
  return `Language: ${name}${task === "translate" ? ", into English" : ""}`;
}
