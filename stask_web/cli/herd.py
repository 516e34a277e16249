"""Keeps a few child processes alive: starts them, restarts what dies, stops all of them in time.

POSIX only. Each child leads a process group of its own, so that Ctrl-C in a terminal reaches only the herd, which then
stops the children in order.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .reload import EVERY, Sources

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 10.0
#: A child that lived this long was healthy: its next restart is quick again.
_HEALTHY = 20.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds from the last polite signal to SIGKILL.
_LAST_WAIT = 1.0
#: Seconds that tasks get to end when the code changed.
RELOAD_DRAIN = 0.5


@dataclass
class Child:
    """One process to keep alive.

    :param name: what people call it, e.g. ``"web server"``.
    :param command: the argument vector.
    :param environ: its environment.
    :param fds: file descriptors it inherits.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    fds: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    delay: float = field(default=_FIRST_DELAY)

    def start(self) -> None:
        """Start it now."""
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            list(self.command),
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            pass_fds=tuple(self.fds),
            process_group=0,
        )

    def ended(self) -> int | None:
        """Its exit code (negative: the signal) if it was started and is over, else None."""
        return self.process.poll() if self.process else None

    def signal(self, sig: signal.Signals) -> None:
        """Send it a signal, if it is alive."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)

    def kill(self) -> None:
        """End it and every process of its group at once."""
        if self.process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def renew(self) -> None:
        """End it and have it started again at once."""
        self.kill()
        self.process, self.due, self.delay = None, 0.0, _FIRST_DELAY

    def postpone(self, now: float) -> float:
        """Put off the next start and tell by how many seconds: longer each time, short again after a healthy life."""
        if now - self.started >= _HEALTHY:
            self.delay = _FIRST_DELAY
        wait = self.delay
        self.delay = min(self.delay * 2, _LONGEST_DELAY)
        self.due = now + wait
        self.process = None
        return wait


class Herd:
    """A few children and the loop that looks after them.

    :param children: what to keep alive.
    :param drain: seconds that children get to end by themselves after a stop; a second signal cuts them short.
    :param say: prints one line for people.
    :param on_ready: called once, with no argument, when a byte arrives at ``ready_fd``.
    :param ready_fd: the reading end of a pipe that a child writes to when it is ready.
    :param sources: asked now and then whether a file changed; then all children start anew.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        drain: float,
        say: Callable[[str], None],
        on_ready: Callable[[], None] | None = None,
        ready_fd: int | None = None,
        sources: Sources | None = None,
    ) -> None:
        self.children = list(children)
        self.drain = drain
        self.say = say
        self._on_ready = on_ready
        self._ready_fd = ready_fd
        self._sources = sources
        self._stops = 0
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Keep the children alive until SIGINT, SIGTERM or SIGHUP; then end them all.

        :returns: the exit code: 0.
        """
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        # What started us may have it ignored, as nohup does with SIGHUP.
        wanted = [sig for sig in _STOP_SIGNALS if sig == signal.SIGINT or signal.getsignal(sig) != signal.SIG_IGN]
        handlers = {sig: signal.signal(sig, self._stop) for sig in wanted}
        handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _ignore)
        wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ)
        if self._ready_fd is not None:
            self._selector.register(self._ready_fd, selectors.EVENT_READ)
        try:
            self._look_after()
            self.say("Stopping. Tasks that are not done start again with the next start.")
            self._end_all(self.drain)
        finally:
            for child in self.children:
                child.kill()
            signal.set_wakeup_fd(wakeup)
            for sig, handler in handlers.items():
                signal.signal(sig, handler)
            self._selector.close()
            os.close(reader)
            os.close(writer)
        return 0

    def _look_after(self) -> None:
        while not self._stops:
            now = time.monotonic()
            for child in self.children:
                self._tend(child, now)
            waits = [child.due - now for child in self.children if child.process is None]
            if self._sources is not None:
                waits.append(EVERY)
            self._wait(min(waits) if waits else None)
            if self._sources is not None and not self._stops and (path := self._sources.changed()):
                self.say(f"{path.name} changed. Starting anew.")
                self._end_all(RELOAD_DRAIN)
                for child in self.children:
                    child.renew()

    def _tend(self, child: Child, now: float) -> None:
        code = child.ended()
        if code is not None:
            child.kill()
            wait = child.postpone(now)
            self.say(f"The {child.name} ended ({_reason(code)}). It starts again in {wait:.1f} s.")
        if child.process is None and now >= child.due:
            child.start()

    def _end_all(self, drain: float) -> None:
        """Ask, remind, kill: SIGTERM, after the drain time or a second Ctrl-C a second one, then SIGKILL."""
        for child in self.children:
            child.signal(signal.SIGTERM)
        self._wait_for_all(drain, stops=1)
        for child in self.children:
            child.signal(signal.SIGTERM)
        self._wait_for_all(_LAST_WAIT, stops=2)

    def _wait_for_all(self, seconds: float, *, stops: int) -> None:
        """Wait until all children are over, the time is, or there came more than ``stops`` signals to stop."""
        deadline = time.monotonic() + seconds
        while any(child.process and child.ended() is None for child in self.children):
            left = deadline - time.monotonic()
            if left <= 0 or self._stops > stops:
                return
            self._wait(left)

    def _wait(self, seconds: float | None) -> None:
        for key, _ in self._selector.select(None if seconds is None else max(seconds, 0)):
            data = os.read(key.fd, 4096)
            if key.fd != self._ready_fd:
                continue
            self._selector.unregister(key.fd)
            if data and self._on_ready:
                self._on_ready()

    def _stop(self, number: int, frame: object) -> None:
        self._stops += 1


def _ignore(number: int, frame: object) -> None:
    """A handler that does nothing: the signal only has to wake the loop."""


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
