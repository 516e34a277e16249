"""Many browsers that watch one task: how old a report is when it comes, and what that costs the web process.

Run it with: python -m benchmarks.watchers [WATCHERS] [SECONDS], 500 and 10 by default. A worker process runs an action
that calls ``push_progress`` ten times a second; ``gunicorn -k gevent -w 1`` serves; all watchers are raw sockets in
this process, which only looks for the time in what comes, so that it takes little of the machine.
"""

from __future__ import annotations

import base64
import os
import selectors
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.load import load
from benchmarks.panel_site import LANGUAGE, Panel, panel, worker

WATCHERS, SECONDS = 500, 10.0
LIMIT, CORE_LIMIT = 100.0, 0.70
#: Seconds at the begin that do not count: the last clients have just come.
WARM = 1.0
_MESSAGE = b'"message":"'


class Watcher:
    """One websocket that watches a task, as a page does: connect, enter the namespace, watch.

    :param waits: gets for each report that comes how old it is in milliseconds.
    """

    def __init__(self, panel: Panel, task_id: int, waits: list[float]) -> None:
        self.waits = waits
        self.heard = 0
        self.refused = False
        self.ready = False
        self._task_id = task_id
        self._buffer = b""
        self._last = b""
        self.sock = socket.create_connection(("127.0.0.1", panel.port), timeout=30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /socket.io/?stask=1&EIO=4&transport=websocket HTTP/1.1",
            f"Host: 127.0.0.1:{panel.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            f"Cookie: {panel.cookie}",
            f"Accept-Language: {LANGUAGE}",
        ]
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode())

    def read(self) -> bool:
        """Take what has come -> whether it is still open."""
        try:
            data = self.sock.recv(65536)
        except OSError:
            return False
        if not data:
            return False
        self._buffer += data
        if not self._last and b"\r\n\r\n" in self._buffer and self._buffer.startswith(b"HTTP/1.1 "):
            self._buffer = self._buffer.partition(b"\r\n\r\n")[2]
        if self._buffer.startswith(b"HTTP/1.1 "):
            return True
        while (frame := self._frame()) is not None:
            self._take(frame)
        return True

    def _frame(self) -> bytes | None:
        """The payload of the next whole frame; a server does not mask."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start])
        if len(buffer) < start + size:
            return None
        self._buffer = buffer[start + size :]
        return buffer[start : start + size]

    def _take(self, frame: bytes) -> None:
        if frame.startswith(b'42/stask,["task"'):
            at = frame.find(_MESSAGE) + len(_MESSAGE)
            stamp = frame[at : frame.index(b'"', at)]
            if stamp and stamp != self._last and stamp[:1].isdigit():
                self._last = stamp
                self.heard += 1
                self.waits.append((time.time() - float(stamp)) * 1000)
        elif frame.startswith(b"43/stask"):
            self.ready = True
        elif frame.startswith(b"40/stask"):
            self._send(f'42/stask,1["watch",{{"task":{self._task_id},"position":"-:0"}}]')
        elif frame.startswith(b"44/stask"):
            self.refused = True
        elif frame.startswith(b"0{"):
            self._send("40/stask,")
        elif frame == b"2":
            self._send("3")

    def _send(self, text: str) -> None:
        data, mask = text.encode(), b"\0\0\0\0"
        self.sock.sendall(bytes([0x81, 0x80 | len(data)]) + mask + data)


class Crowd:
    """All watchers, looked after by one loop."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._selector = selectors.DefaultSelector()
        self.waits: list[float] = []
        self.watchers: list[Watcher] = []

    def come(self, number: int, task_id: int, within: float = 30.0) -> None:
        """Let so many connect, a few at a time, and wait until each watches or was refused."""
        end = time.monotonic() + within
        while len(self.watchers) < number or not self.settled:
            for _ in range(min(20, number - len(self.watchers))):
                watcher = Watcher(self._panel, task_id, self.waits)
                self._selector.register(watcher.sock, selectors.EVENT_READ, watcher)
                self.watchers.append(watcher)
            self.look(0.05)
            if time.monotonic() > end:
                ready = sum(watcher.ready for watcher in self.watchers)
                raise SystemExit(f"Only {ready} of {number} watch after {within:.0f} s:\n{self._panel.said()}")

    @property
    def settled(self) -> bool:
        """Whether each watches or was refused."""
        return all(watcher.ready or watcher.refused for watcher in self.watchers)

    def look(self, seconds: float) -> None:
        """Take what comes for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                if not key.data.read():
                    self._selector.unregister(key.fileobj)
                    key.data.sock.close()

    def leave(self) -> None:
        """Close all."""
        for watcher in self.watchers:
            watcher.sock.close()
        self._selector.close()


def main() -> int:
    """Print the figures."""
    numbers = [float(word) for word in sys.argv[1:]]
    watchers, seconds = [*numbers, *(WATCHERS, SECONDS)[len(numbers) :]][:2]
    print(load())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with panel(folder, "-k", "gevent", "-w", "1", "--worker-connections", "2000") as server, worker(folder):
            return measure(server, int(watchers), seconds)


def measure(server: Panel, watchers: int, seconds: float) -> int:
    """Let so many watch, and print what they got."""
    state = server.state
    crowd = Crowd(server)
    later = time.time() + 3600
    with server.app.app_context():
        task = state.tasks.create("clock", "tick", {"seconds": seconds + WARM}, start_at=later)
        crowd.come(watchers, task.id)
        state.tasks.start_now(task)
    crowd.look(WARM)
    crowd.waits.clear()
    for watcher in crowd.watchers:
        watcher.heard = 0
    own, web, begin = time.process_time(), server.core_seconds(), time.monotonic()
    crowd.look(seconds - 0.5)
    spent = time.monotonic() - begin
    web, own = (server.core_seconds() - web) / spent, (time.process_time() - own) / spent
    memory = server.memory()
    crowd.leave()
    waits, heard = crowd.waits, Counter(watcher.heard for watcher in crowd.watchers)
    p50, p95 = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
    fits = p95 <= LIMIT and web <= CORE_LIMIT and min(heard) >= 0.8 * spent * 10
    print(
        f"{watchers} watchers, 10 updates/s, gevent: p50 {p50:.1f} ms, p95 {p95:.1f} ms (at most {LIMIT:.0f}), "
        f"worst {max(waits):.0f} ms; web process {web:.0%} of a core (at most {CORE_LIMIT:.0%}), {memory:.0f} MB; "
        f"each heard {min(heard)} to {max(heard)} of {spent * 10:.0f}; the watchers themselves took {own:.0%}; "
        f"{load()}: {'ok' if fits else 'TOO SLOW'}"
    )
    return 0 if fits else 1


if __name__ == "__main__":
    raise SystemExit(main())
