import type { ReactNode } from "react";
import { Icon } from "./Icon";

/** A sentence that says what is so, and what to do. */
export function Notice({
  tone,
  title,
  children,
  alert = false,
}: {
  tone: "wait" | "bad" | "info";
  title?: string;
  children: ReactNode;
  /** Read out at once: for what went wrong just now. */
  alert?: boolean;
}) {
  return (
    <div className={`notice ${tone}`} {...(alert ? { role: "alert" } : {})}>
      <Icon name={tone === "bad" ? "bad" : tone === "wait" ? "waiting" : "stopped"} />
      <div>
        {title && <b>{title}</b>}
        {children}
      </div>
    </div>
  );
}
