"""A child that is told to stop before it is given its task: ``python -m tests.faults.early FOLDER``.

It prints how the task ended by the child's word.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import termios
import time
from pathlib import Path

from stask_web.claims import Claim, outcome_from
from stask_web.engines import hand as hands
from stask_web.engines.owner import OwnerLock
from stask_web.state import state_of

from .apps import make_app


def unread(fd: int) -> int:
    """How many bytes of a pipe its reader has not taken yet."""
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4), sys.byteorder)


def main(folder: Path) -> None:
    """Fork one child, stop its task, and only then give it."""
    app = make_app(folder)
    lock = OwnerLock(state_of(app).storage.run)
    hand = hands.fork(app, lock.fd, ())
    meta = json.dumps({"notes": str(folder / "notes"), "seconds": 1.0})
    claim = Claim(
        1, "faulty", "sleep", 2, 1, 3, 1, 0, False, meta, None, None, 0.0, None, time.time(), "t", "me", False
    )
    hand.claim = claim
    hand.interrupt("cancel", 60.0, 60.0)
    while unread(hand.control.fd):
        time.sleep(0.01)
    hand.give(claim)
    os.set_blocking(hand.result.fd, True)
    while "done" not in (message := hand.result.next()):
        pass
    print(outcome_from(message["done"]).kind)
    hand.kill()
    os.waitpid(hand.pid, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
