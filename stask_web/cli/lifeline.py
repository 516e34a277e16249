"""Ends a process whose parent is gone, so that nothing stays behind, not even after kill -9 of the parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

# From linux/prctl.h.
_PR_SET_PDEATHSIG = 1
_POLL = 0.5


def tie_to_parent(parent: int, sig: signal.Signals = signal.SIGTERM, *, last: float | None = None) -> None:
    """Have this process get a signal when its parent ends.

    The kernel sends it on Linux; elsewhere a thread looks twice a second. A parent that ended before counts too.

    :param parent: the pid of the parent that is meant.
    :param sig: what to get.
    :param last: where a thread looks, seconds from the signal to the end of this process if it is still there.
    """
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(sig), 0, 0, 0) != 0:
            _watch(parent, sig, last)
    else:
        _watch(parent, sig, last)
    if os.getppid() != parent:
        os.kill(os.getpid(), sig)


def _watch(parent: int, sig: signal.Signals, last: float | None) -> None:
    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL)
        os.kill(os.getpid(), sig)
        if last is not None:
            time.sleep(last)
            os._exit(1)

    threading.Thread(target=look, name="stask-lifeline", daemon=True).start()
