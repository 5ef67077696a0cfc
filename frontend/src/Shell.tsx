import { type ReactNode, useSyncExternalStore } from "react";
import type { Session } from "./api/types";
import { DropAnywhere } from "./library/DropAnywhere";
import { subscribe, uploads } from "./library/uploads";
import { Link, useRoute } from "./router";
import { plural } from "./ui/format";
import { Icon, Mark } from "./ui/Icon";
import { Menu } from "./ui/Menu";
import { ThemeSelect } from "./ui/Theme";

/** What stands around every page: the rail with the way home, and the whole window as a drop zone. */
export function Shell({
  session,
  onLogOut,
  children,
}: {
  session: Session;
  onLogOut: () => void;
  children: ReactNode;
}) {
  const { page } = useRoute();
  const going = useSyncExternalStore(subscribe, uploads).filter(
    (upload) => upload.state !== "failed",
  ).length;
  return (
    <div className="app">
      <a className="skip" href="#content">
        Skip to content
      </a>
      <header className="rail">
        <Link to="/" className="brand">
          <Mark />
          <span>Chainlets</span>
        </Link>
        <nav aria-label="Main">
          <Link to="/" current={page === "library"}>
            <Icon name="library" />
            Library
          </Link>
        </nav>
        <div className="end">
          {going > 0 && page !== "library" && (
            <Link to="/" className="going">
              {plural(going, "upload")}
            </Link>
          )}
          <Menu name={session.user.username} className="account">
            <li>
              <ThemeSelect />
            </li>
            {session.user.is_staff && (
              <li>
                <a href="/admin/">Admin</a>
              </li>
            )}
            <li>
              <a href="/api/docs">API reference</a>
            </li>
            <li>
              <button type="button" onClick={onLogOut}>
                Log out
              </button>
            </li>
          </Menu>
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        {children}
      </main>
      <DropAnywhere />
    </div>
  );
}
