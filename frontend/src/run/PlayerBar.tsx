import type { ReactNode } from "react";
import { stamp } from "../ui/format";
import { Icon } from "../ui/Icon";
import type { Follow } from "./useFollow";
import type { Player } from "./usePlayer";

const RATES = [0.75, 1, 1.25, 1.5, 1.75, 2];

/** Play, time, speed and follow; stays at the top of the window while the text is read. */
export function PlayerBar({
  player,
  follow,
  duration,
  children,
}: {
  player: Player;
  follow: Follow;
  duration: number;
  children?: ReactNode;
}) {
  return (
    <section className="player" aria-label="Player">
      <button
        type="button"
        className="play"
        aria-label={player.playing ? "Pause" : "Play"}
        disabled={player.unplayable}
        onClick={player.toggle}
      >
        <Icon name={player.playing ? "pause" : "play"} size={18} />
      </button>
      <span className="time">
        <b>{stamp(player.time)}</b> / {stamp(duration)}
      </span>
      <label className="rate">
        <span className="unseen">Speed</span>
        <select
          value={player.rate}
          onChange={(event) => player.setRate(Number(event.target.value))}
        >
          {RATES.map((rate) => (
            <option key={rate} value={rate}>
              {rate} ×
            </option>
          ))}
        </select>
      </label>
      <span className="room" />
      {children}
      <label className="check">
        <input
          type="checkbox"
          checked={follow.playback}
          onChange={(event) => follow.followPlayback(event.target.checked)}
        />
        Follow
      </label>
    </section>
  );
}
