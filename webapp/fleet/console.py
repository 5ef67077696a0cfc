"""What the supervisor writes on standard error: prefixed lines of its children and one progress bar."""

import os
import shutil
import sys
from typing import TextIO

_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
_NAME_WIDTH = 10
_BAR_WIDTH = 30


class Console:
    """Writes whole lines, and keeps a progress bar below them where the output is a terminal."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._coloured = self._live and not os.environ.get("NO_COLOR")
        self._colour_of: dict[str, int] = {}
        self._bar = ""
        self._tenth = -1

    def line(self, name: str, text: str) -> None:
        """Write `name | text`, each name in a colour of its own."""
        prefix = f"{name:<{_NAME_WIDTH}}|"
        if self._coloured:
            colour = self._colour_of.setdefault(name, _COLOURS[len(self._colour_of) % len(_COLOURS)])
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        self.say(f"{prefix} {text}")

    def say(self, text: str) -> None:
        """Write one line of our own."""
        self._write(f"{self._erased()}{text}\n{self._bar}")

    def progress(self, fraction: float, text: str) -> None:
        """Show how far the work is, 0.0 to 1.0; without a terminal, a line for each tenth."""
        fraction = min(max(fraction, 0.0), 1.0)
        if not self._live:
            if int(fraction * 10) > self._tenth:
                self._tenth = int(fraction * 10)
                self._write(f"{text} {fraction:.0%}\n")
            return
        filled = round(fraction * _BAR_WIDTH)
        bar = f"{'━' * filled}{'─' * (_BAR_WIDTH - filled)} {fraction:4.0%}  {text}"
        erased = self._erased()
        self._bar = bar[: shutil.get_terminal_size().columns - 1]
        self._write(erased + self._bar)

    def end_progress(self) -> None:
        """Take the bar away."""
        erased, self._bar, self._tenth = self._erased(), "", -1
        self._write(erased)

    def _erased(self) -> str:
        return "\r\x1b[K" if self._bar else ""

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            pass  # nobody reads any more; the work goes on
