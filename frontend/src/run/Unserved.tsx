import { useState } from "react";
import { Notice } from "../ui/Notice";
import type { RunView } from "./fold";
import { machineWords, waitWords } from "./waits";

/** Queues that no worker serves. The region is always there, so that what comes into it is read out. */
export function Unserved({ view }: { view: RunView }) {
  const [now] = useState(Date.now);
  return (
    <div role="status">
      {view.waiting_for.map((wait) => (
        <Notice key={wait.queue} tone="wait" title={`${wait.queue} has no worker.`}>
          <p>
            {waitWords(wait, now)} Start one on {machineWords(wait.queue)}; the run then goes on by
            itself:
          </p>
          <pre className="command">
            <code>
              python manage.py worker <span>--queues {wait.queue}</span>
            </code>
          </pre>
        </Notice>
      ))}
    </div>
  );
}
