import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { ApiError, listRuns } from "../api/client";
import type { Page, Run } from "../api/types";
import { DropZone } from "../library/DropZone";
import { RunList } from "../library/RunList";
import { UploadList } from "../library/UploadList";
import { onStarted, subscribe, uploads } from "../library/uploads";
import { Link } from "../router";
import { useFocusOnArrival, useNow, usePolling, useTitle } from "../ui/hooks";
import { Notice } from "../ui/Notice";

/** Everything there is, newest first; `cursor` is empty on the first page. */
export function LibraryPage({ cursor }: { cursor: string }) {
  useTitle("Library");
  const heading = useFocusOnArrival<HTMLHeadingElement>();
  const { page, problem, refresh } = useRuns(cursor);
  const sending = useSyncExternalStore(subscribe, uploads).length > 0;
  const now = useNow(30_000);
  const runs = page?.results ?? [];
  const older = nextCursor(page?.next ?? null);
  const empty = page !== null && runs.length === 0 && cursor === "";
  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        Library
      </h1>
      <DropZone alone={empty && !sending} />
      <UploadList />
      {problem !== null && (
        <Notice
          tone="bad"
          title={page ? "This list may be out of date." : "The list cannot be shown."}
        >
          {problem.message}{" "}
          <button type="button" className="plain" onClick={refresh}>
            Try again
          </button>
        </Notice>
      )}
      {page === null && problem === null && <Placeholder />}
      {runs.length > 0 && <RunList runs={runs} now={now} />}
      {page !== null && runs.length === 0 && cursor !== "" && (
        <p className="hint">Nothing older.</p>
      )}
      {(older !== null || cursor !== "") && (
        <nav className="pages" aria-label="Pages">
          {cursor !== "" ? (
            <Link to="/" className="btn">
              Newest
            </Link>
          ) : (
            <span />
          )}
          {older !== null && (
            <Link to={`/?cursor=${encodeURIComponent(older)}`} className="btn">
              Older
            </Link>
          )}
        </nav>
      )}
    </>
  );
}

/** The rows' places while they are fetched, so that nothing jumps when they come. */
function Placeholder() {
  return (
    <div className="card list" role="status">
      <span className="unseen">The list is being fetched.</span>
      {["a", "b", "c"].map((key) => (
        <div key={key} className="it blank" aria-hidden="true" />
      ))}
    </div>
  );
}

/** The runs of one page, fetched again every 2.5 s while one of them is going, else every 20 s. */
function useRuns(cursor: string) {
  const [page, setPage] = useState<Page<Run> | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const newest = useRef(0);

  const refresh = useCallback(() => {
    newest.current += 1;
    const mine = newest.current;
    listRuns(cursor).then(
      (fresh) => {
        // An answer that was overtaken by a newer one would turn the list back.
        if (mine !== newest.current) return;
        setPage(fresh);
        setProblem(null);
      },
      (error: unknown) => {
        if (!(error instanceof ApiError)) throw error;
        if (mine === newest.current) setProblem(error);
      },
    );
  }, [cursor]);

  useEffect(() => {
    refresh();
    return onStarted(refresh);
  }, [refresh]);
  const going = page?.results.some(({ state }) => state === "queued" || state === "running");
  usePolling(refresh, going || problem ? 2500 : 20_000);
  return { page, problem, refresh };
}

/** The API may give the next page as an address or as the bare cursor. */
function nextCursor(next: string | null): string | null {
  if (next === null || !/[/?]/.test(next)) return next;
  return new URL(next, location.href).searchParams.get("cursor");
}
