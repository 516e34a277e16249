"""Sentences of ours that processes without a reader write into rows, journals and attempts.

They are written in English, by templates of this one table, and recognised by it when they are shown: so they appear in
the language of whoever reads them, while an author's own message is shown as it is.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from .language import DEFAULT, mark, reader, tr

AT_ROW = mark(", at row %(row)s")
AT_ROW_OF = mark(", at row %(row)s of %(total)s")
WITHDRAWN = mark("Withdrawn.")
WITHDRAWN_BY = mark("Withdrawn by %(name)s.")
STOPPED = mark("Stopped")
STOPPED_AT = mark("Stopped at row %(row)s")
STOPPED_BY = mark("Stopped by %(name)s")
STOPPED_BY_AT = mark("Stopped by %(name)s at row %(row)s")
TOO_LONG = mark("It took longer than it may, and was stopped%(where)s.")
DRAINED = mark("The worker was stopped%(where)s. The task starts again by itself.")
LOST = mark("The worker process was gone. The task starts again by itself.")
NO_ANSWER = mark("The database did not answer when it was started. The task starts again by itself.")
CRASHED = mark("Its process ended unexpectedly%(where)s: %(how)s")
KILLED = mark("killed by %(signal)s")
EXIT_CODE = mark("exit code %(code)s")
CRASHED_TOO_OFTEN = mark("%(sentence)s That was the 3rd time, so it is not started again.")
ATTEMPT_STOPPED = mark("Attempt %(number)s of %(most)s stopped: %(sentence)s")
PROGRAM_ERROR = mark("An error in the program%(where)s")
PROGRAM_ERROR_STOPPED = mark("It stopped because of an error in the program%(where)s")
PROGRAM_EXIT = mark("The program ended itself (sys.exit)%(where)s")
KEYBOARD = mark("It was interrupted from the keyboard%(where)s")
NO_MEMORY = mark("The memory was not enough%(where)s")
WORKER_GONE = mark("The worker '%(worker)s' is not here any more, so this could not run.")
OPTIONS_CHANGED = mark("The options do not fit any more. %(sentence)s")
FAILED = mark("It failed.")
NOT_COMMITTED = mark("Changes in db.session were not committed, so they were rolled back.")
NOT_COMMITTED_IN = mark("Changes in db.session were not committed, so they were rolled back: %(tables)s")
THREADS_LEFT = mark("Threads were left running, so they end with their process: %(threads)s")
NOT_STORED = mark("What it said of its end could not be stored.")
LEFT_OUT = mark("Some lines were left out here, because the log grew over its limit.")

_ALL = tuple(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str))
#: Places that hold a sentence or a fragment of this table once more.
_INNER = {"where", "how", "sentence"}
_NUMBERS = {"row", "total", "number", "most", "code"}
#: What a place may hold; any other holds anything. Statistics put an ellipsis where causes differ in a number.
_HOLDS = {
    **dict.fromkeys(_NUMBERS, r"[\d,]+|…"),
    "where": r"(?:, at row (?:[\d,]+|…)(?: of (?:[\d,]+|…))?)?",
    "how": r"killed by [A-Z][A-Z0-9]*|killed by signal \d+|exit code \d+",
}
_PLACE = re.compile(r"%\((\w+)\)s")
#: Longer ones are an author's or a program's own.
_LONGEST = 4000


class _Known(NamedTuple):
    """A template, and the pattern that its texts match."""

    template: str
    pattern: re.Pattern[str]


def translated(text: str) -> str:
    """A stored text in the reader's language, when it is one of ours; any other as it is."""
    if reader().language == DEFAULT or not text or len(text) > _LONGEST:
        return text
    for template, pattern in _known(_first_word(text)):
        found = pattern.fullmatch(text)
        if found is not None:
            return tr(template, **{name: _inner(name, value) for name, value in found.groupdict().items()})
    return text


def _inner(name: str, value: str) -> str:
    from .numbers import localised

    return translated(value) if name in _INNER else localised(value) if name in _NUMBERS else value


def _first_word(text: str) -> str:
    """By which the few templates are found that a text may be of: most messages are authors' and match none."""
    return text.split(" ", 1)[0].rstrip(".")


@cache
def _by_first_word() -> dict[str, tuple[_Known, ...]]:
    found: dict[str, list[_Known]] = {}
    for template in sorted(_ALL, key=len, reverse=True):
        found.setdefault(_first_word(template), []).append(_Known(template, pattern_of(template)))
    return {word: tuple(templates) for word, templates in found.items()}


def _known(word: str) -> tuple[_Known, ...]:
    table = _by_first_word()
    return (*table.get(word, ()), *table[_first_word(CRASHED_TOO_OFTEN)])


def pattern_of(template: str) -> re.Pattern[str]:
    """The pattern that matches every text of a template; each place is a group of its name."""
    parts = _PLACE.split(template)
    pieces = [
        f"(?P<{part}>{_HOLDS.get(part, '.+')})" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    ]
    return re.compile("".join(pieces), re.DOTALL)
