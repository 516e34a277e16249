"""The reader's language and time zone, and our own texts in that language.

English stands in the code. Another language is a gettext catalogue, ``translations/<language>/LC_MESSAGES/stask.mo``,
in a domain of its own, so that nothing of the host's Babel changes. Who reads is decided once a request, by
``views/reader.py``, and kept in a context variable: everything that makes a sentence asks here.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

DOMAIN = "stask"
CATALOGUES = Path(__file__).parent / "translations"
#: The languages there are, each by its own name. One without a catalogue is none: the page would say that it is in it.
LANGUAGES = {"en": "English"}
DEFAULT = "en"


class Reader(NamedTuple):
    """For whom text is made.

    :param language: one of :data:`LANGUAGES`.
    :param zone: the time zone in which moments are told; None for that of this machine.
    """

    language: str = DEFAULT
    zone: ZoneInfo | None = None


_ANYBODY = Reader()
_reader: ContextVar[Reader] = ContextVar("stask_reader", default=_ANYBODY)


def reader() -> Reader:
    """Who reads what is made now; English and this machine's zone outside of requests."""
    return _reader.get()


def set_reader(wanted: Reader) -> None:
    """Make text for this reader from now on, in this context."""
    _reader.set(wanted)


@contextmanager
def reading(wanted: Reader) -> Iterator[None]:
    """Make text for this reader inside a ``with`` block."""
    token = _reader.set(wanted)
    try:
        yield
    finally:
        _reader.reset(token)


def tr(text: str, **values: Any) -> str:
    """A text of ours in the reader's language.

    :param text: in English, a literal, e.g. ``"Starts after %(task)s"``: what is collected for translators is the call.
    :param values: for the places in it.
    """
    translated = _catalogue(_reader.get().language).gettext(text) if text else ""
    return translated % values if values else translated


def trn(one: str, many: str, n: int, **values: Any) -> str:
    """A text of ours that depends on a number, in the reader's language.

    :param one: in English for one, e.g. ``"%(num)s row"``.
    :param many: in English for any other number.
    :param n: the number; ``%(num)s`` is its written form unless ``num`` is given.
    """
    values.setdefault("num", n)
    return _catalogue(_reader.get().language).ngettext(one, many, n) % values


def mark(text: str) -> str:
    """Mark a text of a table for translators; whoever shows it calls :func:`tr` with it."""
    return text


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    if language == DEFAULT:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, str(CATALOGUES), [language])
