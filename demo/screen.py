"""What the demo prints: for a person at a terminal, and just as well for a log.

At a terminal there are colours (unless NO_COLOR is set) and a last line that says who waits for
what; elsewhere only lines that are there to stay. Nothing is wider than WIDTH.
"""
import os
import shutil
import signal
import sys
import textwrap
import threading
import time

WIDTH = 100
_CALL_WIDTH = 43
_COLOURS = {"ada": "36", "ben": "35", "cleo": "33", "dan": "34", "eve": "32", "platform": "1",
            "shop": "1", "good": "32", "bad": "1;31", "strong": "1", "faint": "2"}
_ASCII = str.maketrans({"─": "-", "└": "`", "├": "|", "│": "|", "→": ">", "·": "-", "…": "~"})


class Screen:
    def __init__(self):
        self.began = time.monotonic()
        terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._colours = terminal and not os.environ.get("NO_COLOR")
        self._plain = "utf" not in (sys.stdout.encoding or "").lower()
        self._lock = threading.RLock()
        self._waiting = {}
        self._shown = False
        if terminal:
            threading.Thread(target=self._tick, daemon=True).start()

    @property
    def seconds(self):
        return time.monotonic() - self.began

    def paint(self, text, style):
        code = _COLOURS.get(style) if self._colours else None
        return f"\033[{code}m{text}\033[0m" if code else text

    def line(self, text=""):
        with self._lock:
            self._write(("\r\033[K" if self._shown else "") + text + "\n")
            self._shown = False

    def heading(self, text):
        self.line()
        self.line(self.paint(text, "strong"))
        self.line(self.paint("─" * len(text), "faint"))

    def text(self, paragraph, indent="  "):
        for line in textwrap.wrap(" ".join(paragraph.split()), WIDTH, initial_indent=indent,
                                  subsequent_indent=indent, break_on_hyphens=False):
            self.line(line)

    def block(self, lines, indent="  ", style=None):
        """Lines as they are: SQL, a tree, a table."""
        with self._lock:
            for line in lines.splitlines() if isinstance(lines, str) else lines:
                self.line((indent + (self.paint(line, style) if style else line)).rstrip())

    def facts(self, pairs):
        """Names, and what there is to say about each."""
        room = max(len(name) for name, _ in pairs) + 3
        for name, text in pairs:
            lines = textwrap.wrap(text, WIDTH - 2 - room, break_on_hyphens=False)
            for number, line in enumerate(lines):
                self.line(f"  {name if number == 0 else '':<{room}}{line}")

    def step(self, who, call, outcome="", style=None):
        """Something happened: the time, who did it, what, and what came of it."""
        head = f"{self.seconds:6.1f} s  {self.paint(f'{who:<9}', who)} "
        indent = " " * 20
        lines = []
        for part in outcome.split("\n"):
            lines += textwrap.wrap(part, WIDTH - 20 - _CALL_WIDTH, break_on_hyphens=False) or [""]
        with self._lock:
            if not outcome:
                wrapped = textwrap.wrap(call, WIDTH - 20, break_on_hyphens=False)
                for number, line in enumerate(wrapped):
                    self.line((head if number == 0 else indent) + line)
                return
            if len(call) >= _CALL_WIDTH:
                self.line(head + call)
                head, call = indent, ""
            for number, line in enumerate(lines):
                painted = self.paint(line, style) if style else line
                if number == 0:
                    self.line(f"{head}{call:<{_CALL_WIDTH}}{painted}")
                else:
                    self.line(f"{indent}{'':<{_CALL_WIDTH}}{painted}")

    def verdict(self, good, text):
        mark = self.paint("ok ", "good") if good else self.paint("NOT", "bad")
        lines = textwrap.wrap(text, WIDTH - 7, break_on_hyphens=False)
        for number, line in enumerate(lines):
            self.line(f"  {mark}  {line}" if number == 0 else f"       {line}")

    def waits(self, who, what=None):
        """What stands in the last line about this one until it says something else."""
        with self._lock:
            if what:
                self._waiting[who] = what
            else:
                self._waiting.pop(who, None)

    def end_waits(self):
        with self._lock:
            self._waiting.clear()
            if self._shown:
                self._write("\r\033[K")
                self._shown = False

    def _tick(self):
        while True:
            time.sleep(0.1)
            with self._lock:
                if not self._waiting:
                    continue
                text = f"{self.seconds:6.1f} s  " + " · ".join(
                    f"{who} {what}" for who, what in self._waiting.items())
                room = min(WIDTH, shutil.get_terminal_size().columns - 1)
                text = text if len(text) <= room else text[:room - 1] + "…"
                self._write("\r\033[K" + self.paint(text, "faint"))
                self._shown = True

    def _write(self, text):
        try:
            sys.stdout.write(text.translate(_ASCII) if self._plain else text)
            sys.stdout.flush()
        except OSError:
            # Nobody reads any more. End as if told to, without another word.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.kill(os.getpid(), signal.SIGTERM)
