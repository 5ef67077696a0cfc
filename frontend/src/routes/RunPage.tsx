import { useMemo, useRef, useState } from "react";
import { contentUrl } from "../api/client";
import type { Run, Transcript as TranscriptOutput } from "../api/types";
import { Link } from "../router";
import { Actions } from "../run/Actions";
import { rootIdOf, rootOf } from "../run/calls";
import { Excerpt } from "../run/Excerpt";
import { Failure } from "../run/Failure";
import type { RunView } from "../run/fold";
import { PlayerBar } from "../run/PlayerBar";
import { ProgressLine } from "../run/ProgressLine";
import { Steps } from "../run/Steps";
import { Streamed } from "../run/Streamed";
import { JumpButton, Transcript } from "../run/Transcript";
import { finalRows, liveEdge, liveRows, spokenAt } from "../run/transcript";
import { Unserved } from "../run/Unserved";
import { useFollow } from "../run/useFollow";
import { usePlayer, usePlayerKeys } from "../run/usePlayer";
import { isOver, type LiveRun, useRun } from "../run/useRun";
import { Values } from "../run/Values";
import { Waveform } from "../run/Waveform";
import { clock, languageName, moment, stamp } from "../ui/format";
import { useFocusOnArrival, useTitle } from "../ui/hooks";
import { Notice } from "../ui/Notice";
import { StatePill } from "../ui/StatePill";

export function RunPage({ id, machineHasGpu }: { id: string; machineHasGpu: boolean }) {
  const live = useRun(id);
  const { run, view, error } = live;
  useTitle(view.title || run?.title || "Run");
  if (error?.status === 404) return <NoSuchRun />;
  if (error && run === null) {
    return (
      <Notice tone="bad" title="This run cannot be shown." alert>
        {error.message}
      </Notice>
    );
  }
  const isTranscript = (view.chain || run?.chain) === "transcribe";
  return (
    <>
      <Head live={live} isTranscript={isTranscript} />
      <Notices live={live} isTranscript={isTranscript} />
      {isTranscript ? (
        <Recording key={id} live={live} machineHasGpu={machineHasGpu} />
      ) : (
        <>
          <ProgressLine view={view} />
          <div className="cols">
            <div className="stack">
              <Output live={live} />
              {run && <Values title="Input" value={run.input} />}
            </div>
            <Steps runId={id} view={view} machineHasGpu={machineHasGpu} />
          </div>
        </>
      )}
    </>
  );
}

function Head({ live, isTranscript }: { live: LiveRun; isTranscript: boolean }) {
  const { run, view, refresh } = live;
  const heading = useFocusOnArrival<HTMLHeadingElement>();
  const known = view.seq > 0;
  const state = known ? view.state : (run?.state ?? "queued");
  return (
    <div className="top">
      <div className="name">
        <h1 ref={heading} tabIndex={-1}>
          {view.title || run?.title || view.chain || " "}
        </h1>
        <div className="meta">
          {(known || run) && <StatePill state={state} chain={view.chain} />}
          {meta(run, view).map((words) => (
            <span key={words}>{words}</span>
          ))}
        </div>
      </div>
      {(known || run) && (
        <Actions
          id={live.id}
          root={rootIdOf(view)}
          state={state}
          isTranscript={isTranscript}
          onChanged={refresh}
        />
      )}
    </div>
  );
}

function meta(run: Run | null, view: RunView): string[] {
  const words: string[] = [];
  const output = transcriptOf(run);
  if (view.duration !== null) words.push(clock(view.duration));
  if (view.language) {
    const percent = Math.round(view.language.probability * 100);
    words.push(`${languageName(view.language.language)} (${percent} %)`);
  }
  if (output?.model) words.push(output.model);
  if (view.chain) words.push(`${view.chain}${view.version === null ? "" : ` v${view.version}`}`);
  if (view.created_at) words.push(moment(view.created_at));
  if (run?.deadline_at && !isOver(view.state))
    words.push(`has to end by ${moment(run.deadline_at)}`);
  return words;
}

/** The value of a run that has ended; of one that streams, what has come of it so far. */
function Output({ live }: { live: LiveRun }) {
  const { run, view } = live;
  const streamed = rootOf(view)?.output;
  if (streamed) {
    const follow = run === null || !isOver(run.state);
    return <Streamed output={streamed} state={view.state} follow={follow} />;
  }
  // Only with the whole history is it known whether it streamed.
  if (!isOver(view.state) || run === null || run.output === null) return null;
  return <Values title="Output" value={run.output} />;
}

function Notices({ live, isTranscript }: { live: LiveRun; isTranscript: boolean }) {
  const { view, link } = live;
  return (
    <div className="notices">
      {view.state === "failed" && view.error && (
        <Failure error={view.error} view={view} folded={isTranscript} />
      )}
      {link === "offline" && (
        <Notice tone="wait" title="The server cannot be reached." alert>
          What is shown may be old. The page tries again by itself and goes on where it stopped.
        </Notice>
      )}
      {link === "polling" && !isOver(view.state) && (
        <Notice tone="wait">
          The live connection could not be made, so this page asks every two seconds. Nothing is
          missing.
        </Notice>
      )}
      <Unserved view={view} />
      {view.warnings.map((warning) => (
        <Notice key={warning} tone="wait">
          {warning}
        </Notice>
      ))}
    </div>
  );
}

/** A transcription: progress, sound and text belong together, so one component holds their thread. */
function Recording({ live, machineHasGpu }: { live: LiveRun; machineHasGpu: boolean }) {
  const { run, view } = live;
  const player = usePlayer();
  const list = useRef<HTMLOListElement>(null);
  const [cutting, setCutting] = useState(false);
  usePlayerKeys(player);

  const output = view.state === "succeeded" ? transcriptOf(run) : null;
  const rows = useMemo(
    () => (output ? finalRows(output.segments) : liveRows(view)),
    [output, view],
  );
  const spoken = useMemo(() => spokenAt(rows, player.time), [rows, player.time]);
  const begun = player.playing || player.time > 0;
  const follow = useFollow(list, {
    spoken: begun ? spoken : null,
    playing: player.playing,
    edge: rows.findLast((row) => row.kind === "line")?.key ?? "",
  });
  const duration = view.duration ?? output?.duration ?? player.length;
  const file = recordingOf(run);
  const edge = liveEdge(view);

  return (
    <>
      <ProgressLine view={view} />
      <div className="card sound">
        <Waveform
          peaksId={view.peaks?.id ?? null}
          duration={duration}
          pieces={view.pieces}
          player={player}
          over={isOver(view.state)}
        />
        <PlayerBar player={player} follow={follow} duration={duration}>
          {file && duration > 0 && (
            <button
              type="button"
              className="btn quiet"
              aria-expanded={cutting}
              onClick={() => setCutting(!cutting)}
            >
              Save excerpt
            </button>
          )}
        </PlayerBar>
      </div>
      {file && (
        // biome-ignore lint/a11y/useMediaCaption: the transcript below is its caption
        <audio ref={player.audio} src={contentUrl(file.id)} preload="metadata" />
      )}
      {player.unplayable && (
        <Notice tone="wait">
          This browser cannot play this kind of file. The text does not depend on it.
          {file && (
            <>
              {" "}
              <a href={`${contentUrl(file.id)}?download=1`}>Download the recording</a>
            </>
          )}
        </Notice>
      )}
      {cutting && file && (
        <Excerpt
          fileId={file.id}
          title={view.title}
          from={player.time}
          duration={duration}
          onClose={() => setCutting(false)}
        />
      )}
      <div className="cols">
        <div className="reading">
          <Transcript
            list={list}
            rows={rows}
            spoken={begun ? spoken : null}
            empty={nothingYet(view)}
            onSeek={player.seek}
          />
          {player.playing && !follow.playback ? (
            <JumpButton label={`Back to ${stamp(player.time)}`} onClick={follow.jumpToPlayback} />
          ) : (
            view.state === "running" &&
            edge > 0 &&
            !follow.live && (
              <JumpButton label={`Jump to live, ${stamp(edge)}`} onClick={follow.jumpToLive} />
            )
          )}
        </div>
        <Steps runId={live.id} view={view} machineHasGpu={machineHasGpu} />
      </div>
    </>
  );
}

function nothingYet(view: RunView): string {
  if (view.state === "succeeded") return "No speech was found in this recording.";
  if (isOver(view.state)) return "The run ended before there was any text.";
  return "The text appears here as soon as the first piece is done.";
}

function transcriptOf(run: Run | null): TranscriptOutput | null {
  if (run?.chain !== "transcribe" || run.output === null) return null;
  return run.output as unknown as TranscriptOutput;
}

function recordingOf(run: Run | null) {
  return run?.files.find((file) => file.id === run.input.audio) ?? run?.files[0] ?? null;
}

function NoSuchRun() {
  return (
    <div className="empty">
      <h1>There is no such run</h1>
      <p>
        It may have been deleted, or it belongs to somebody else. <Link to="/">The library</Link>{" "}
        lists yours.
      </p>
    </div>
  );
}
