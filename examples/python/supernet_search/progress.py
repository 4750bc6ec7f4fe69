"""What is seen of a run while it goes: a bar with the time left on a terminal, and a line an epoch."""

import shutil
import sys
import time


def duration(seconds: float) -> str:
    """``1 h 02 min``, ``3 min 20 s``, ``14 s``."""
    whole = int(round(seconds))
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"


class Progress:
    """Counts steps. The bar goes to standard error, and only to a terminal; lines go to standard output.

    done: steps that an earlier process has done; the time left is estimated by this one's alone.
    """

    def __init__(self, total: int, done: int = 0, silent: bool = False) -> None:
        self.total = total
        self.done = done
        self.silent = silent
        self._first = done
        self._began = time.monotonic()
        self._shown = 0.0
        self._is_terminal = not silent and sys.stderr.isatty()

    def step(self, what: str) -> None:
        self.done += 1
        now = time.monotonic()
        if not self._is_terminal or (now - self._shown < 0.1 and self.done < self.total):
            return
        self._shown = now
        left = (now - self._began) / (self.done - self._first) * (self.total - self.done)
        columns = shutil.get_terminal_size().columns
        text = f" {100 * self.done // self.total:3d} %  {duration(left)} left  {what}"
        width = max(10, min(40, columns - len(text) - 3))
        filled = width * self.done // self.total
        sys.stderr.write(f"\r\x1b[K[{'#' * filled}{'.' * (width - filled)}]{text}"[: columns + 4])
        sys.stderr.flush()

    def line(self, text: str) -> None:
        if self.silent:
            return
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        print(text, flush=True)
