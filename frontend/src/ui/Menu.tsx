import { type ReactNode, useEffect, useRef } from "react";
import { Icon, type IconName } from "./Icon";

/** A native disclosure that also shuts on Escape and on a press elsewhere. */
export function Menu({
  name,
  icon,
  className = "",
  children,
}: {
  name: string;
  icon?: IconName;
  className?: string;
  children: ReactNode;
}) {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const shut = (event: Event) => {
      const element = menu.current;
      if (element === null || !element.open) return;
      if (event instanceof KeyboardEvent && event.key === "Escape") {
        element.open = false;
        element.querySelector("summary")?.focus();
      } else if (event.type === "pointerdown" && !element.contains(event.target as Node)) {
        element.open = false;
      }
    };
    document.addEventListener("keydown", shut);
    document.addEventListener("pointerdown", shut);
    return () => {
      document.removeEventListener("keydown", shut);
      document.removeEventListener("pointerdown", shut);
    };
  }, []);
  return (
    <details className={`menu ${className}`} ref={menu}>
      <summary className="btn">
        {icon && <Icon name={icon} />}
        {name}
        <Icon name="chevron" size={13} />
      </summary>
      <ul className="card">{children}</ul>
    </details>
  );
}
