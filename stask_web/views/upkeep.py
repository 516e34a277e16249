"""What an admin does for the whole: let the worker processes look at the queue, and delete what is old.

Old tasks are deleted in the request, in short transactions, for a few seconds at most; what is left then is said, with
a button to go on. So it works with any number of tasks, behind any server, and without JavaScript.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from .. import tally, vitals
from ..errors import InvalidOptions
from ..language import mark, tr, trn
from ..numbers import number
from ..queries import live_processes
from ..state import State, current_state
from ..status import Status
from .notices import leave_notice, take_notice
from .page import render
from .visitor import need, partial, tasks_of, wants_json

#: What starts worker processes.
COMMAND = "flask stask work"
#: Seconds that one request deletes: well below the time-out of any server, which is 30 s for gunicorn.
CLEAN_FOR = 5.0
LONGEST = 36_500
STATUSES = {
    "": mark("All that have ended"),
    Status.COMPLETED.text: mark("Completed"),
    Status.FAILED.text: mark("Failed"),
    Status.CANCELLED.text: mark("Stopped"),
}


# Waking


def process() -> ResponseReturnValue:
    """Let the worker processes look at the queue now; nothing runs here."""
    need("manage_workers")
    state = current_state()
    tasks_of(state).wake()
    words, tone = _woken(state)
    if wants_json():
        return jsonify(message=words)
    if request.form.get("_back") == "system":
        leave_notice(words, tone)
        return redirect(url_for("stask.system"), 303)
    return redirect(url_for("stask.tasks"), 303)


def _woken(state: State) -> tuple[str, str]:
    """What happens now, and its tone."""
    if state.settings.engine == "inline":
        return tr("Tasks run where they are created, so none waits for a process."), "done"
    alive = len(live_processes(state.database, state.settings.lease))
    if not alive:
        words = tr("No worker process is alive, so nothing starts. Your tasks are kept. Start one with: %(command)s")
        return words % {"command": COMMAND}, "attention"
    said = trn("One worker process looks at the queue now.", "%(num)s worker processes look at the queue now.", alive)
    return f"{said} {_ready(state)}", "done"


def _ready(state: State) -> str:
    ready = [waiting for waiting in vitals.queue(state.database) if waiting.kind not in ("scheduled", "retrying")]
    n = sum(waiting.n for waiting in ready)
    if not n:
        return tr("Nothing waits that could start.")
    if not all(waiting.exact for waiting in ready):
        return tr("More than %(n)s tasks wait.", n=number(n))
    return trn("One task waits.", "%(num)s tasks wait.", n, num=number(n))


# Deleting


@dataclass
class Old:
    """Which old tasks are meant.

    :param days: as it was typed.
    :param status: a key of :data:`STATUSES`.
    :param errors: name of the field -> sentence.
    """

    days: str
    status: str
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, given: Mapping[str, str], state: State) -> Old:
        """What a form or an address says; by default all that is older than STASK_RETENTION_DAYS."""
        old = cls(given.get("days", str(state.settings.retention_days)).strip(), given.get("status", ""))
        if old.age is None:
            old.errors["days"] = tr("Enter a number of days from 0 to %(most)s.", most=number(LONGEST))
        if old.status not in STATUSES:
            old.errors["status"] = tr("Choose one of the list.")
        return old

    @property
    def age(self) -> float | None:
        """The days as a number; None when it is none."""
        try:
            days = float(self.days.replace(",", "."))
        except ValueError:
            return None
        return days if math.isfinite(days) and 0 <= days <= LONGEST else None

    @property
    def only(self) -> str | None:
        """The status as the service door wants it."""
        return self.status or None


def clean() -> ResponseReturnValue:
    """Which tasks are old; with ``?days=`` also how many, and the question before they are deleted."""
    need("manage_workers")
    state = current_state()
    old = Old.read(request.args, state)
    if old.errors:
        return _refused(old)
    if wants_json():
        amount = tasks_of(state).count_old(old.age, old.only)
        return jsonify(days=old.age, status=old.status, count=amount.n, exact=amount.exact)
    return _page(state, old, asked="days" in request.args)


def clean_act() -> ResponseReturnValue:
    """Delete for a few seconds, then say what is left. A form is asked first; a program that posts has decided."""
    need("manage_workers")
    state = current_state()
    old = Old.read(_sent(), state)
    if old.errors:
        return _refused(old)
    if not wants_json() and not request.form.get("sure"):
        return _page(state, old, asked=True)
    deleted = tasks_of(state).clean_some(old.age, old.only, CLEAN_FOR)
    tally.forget_sums(state.database)
    left = tasks_of(state).count_old(old.age, old.only)
    words = _deleted(deleted, left)
    if wants_json():
        return jsonify(deleted=deleted, left=left.n, exact=left.exact, message=words)
    leave_notice(words, "attention" if left.n else "done")
    if left.n:
        return redirect(url_for("stask.clean", days=old.days, status=old.status or None), 303)
    return redirect(url_for("stask.system"), 303)


def _sent() -> Mapping[str, str]:
    """What a form says, or a JSON object."""
    if not request.is_json:
        return request.form
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise InvalidOptions({"": tr("Send a JSON object.")})
    return {str(name): str(value) for name, value in body.items() if value is not None}


def _deleted(deleted: int, left: Any) -> str:
    done = trn("Deleted one task.", "Deleted %(num)s tasks.", deleted, num=number(deleted))
    if not deleted:
        done = tr("Nothing was deleted: no task is that old.")
    if not left.n:
        return done
    if not left.exact:
        return f"{done} {tr('About %(n)s are left.', n=number(left.n))}"
    return f"{done} {trn('One is left.', '%(num)s are left.', left.n, num=number(left.n))}"


def _refused(old: Old) -> ResponseReturnValue:
    if wants_json():
        return jsonify(error=next(iter(old.errors.values())), errors=old.errors), 422
    return _page(current_state(), old, asked=False), 422


def _page(state: State, old: Old, *, asked: bool) -> str:
    return render(
        "system/_clean.html" if partial() is not None else "system/clean.html",
        "system",
        old=old,
        statuses=STATUSES,
        amount=tasks_of(state).count_old(old.age, old.only) if asked else None,
        notice=take_notice() if partial() is None else None,
        in_dialog=partial() is not None,
        number=number,
    )
