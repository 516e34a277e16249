"""What a control of a form shows of a value, and the value that it means when it is sent back.

A control can hold less than a value: no time zone, no millionth of a second, no order of what is chosen. What it cannot
hold stands beside it in hidden fields, so that a form that is sent back untouched means the very same.
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from .errors import InvalidSchedule
from .fields import Field, text_of
from .language import reader, tr
from .rules import find_zone
from .sentences import sentence
from .typed import is_secret

LIST_KINDS = ("multiselect", "files")
WHOLE_TEXT = ("text", "textarea")
#: Suffixes of the hidden fields beside a control: the time zone that is meant, and the whole value as JSON.
ZONE_OF, EXACT = "__zone", "__exact"
_OFF = ("", "0", "false", "off", "no")


class Shown(NamedTuple):
    """What is shown of a value.

    :param text: in the control; a list for fields with several values, a bool for a checkbox.
    :param zone: of a moment that has one: its name, an offset, or "" for the clock of this site. None for no zone.
    :param exact: the whole value as JSON, where the control does not hold it; else "".
    """

    text: Any
    zone: str | None = None
    exact: str = ""


def shown(item: Field, value: Any, zone: str | None = None) -> Shown:
    """A value as its field shows it.

    :param zone: whose clock a moment is told by; the reader's when it is not said.
    """
    if item.kind == "checkbox":
        return Shown(value.lower() not in _OFF if isinstance(value, str) else bool(value))
    if item.kind in LIST_KINDS:
        many = isinstance(value, list | tuple | set | frozenset)
        texts = [] if value is None else [text_of(part) for part in (value if many else [value])]
        return Shown(texts, None, json.dumps(texts) if item.kind == "multiselect" and len(texts) > 1 else "")
    if item.kind == "datetime":
        return _shown_moment(item, value, zone)
    if value is None or item.kind in ("secret", "file") or is_secret(value):
        return Shown("")
    if item.kind == "time":
        return _shown_time(value)
    if item.kind == "json":
        return Shown(json.dumps(_plain(value), ensure_ascii=False, indent=2))
    if item.kind in WHOLE_TEXT and not isinstance(value, str):
        return _shown_as_text(value)
    return Shown(value.isoformat() if isinstance(value, date | time) else text_of(value))


def shown_text(item: Field, value: Any) -> Any:
    """A value as its control shows it."""
    return shown(item, value).text


def written(value: datetime | time) -> str:
    """A time or a moment as a control holds it: no zone, seconds only where there are some, and three digits of one."""
    value = value.replace(tzinfo=None)
    has_parts = value.microsecond >= 1000
    return value.isoformat(timespec="milliseconds" if has_parts else "seconds" if value.second else "minutes")


def step_of(texts: list[str]) -> str:
    """The ``step`` for a control that holds, or is limited by, these; "" when whole minutes will do."""
    found = [match for text in texts if (match := re.search(r":\d\d:\d\d(\.\d+)?$", text))]
    return "" if not found else "0.001" if any(match[1] for match in found) else "1"


def with_zone(item: Field, text: str, zone: str | None) -> str:
    """A time or moment as text with its zone, as the model wants it; without one as it was sent.

    :raises ValueError: with a sentence, when there is no such time zone.
    """
    if not zone and (zone is None or item.kind != "datetime"):
        return text
    if item.kind == "time":
        return text + zone if _OFFSET.fullmatch(zone) else text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text  # the model says what is wrong
    try:
        return text if moment.tzinfo is not None else _placed(moment, zone).isoformat()
    except (ValueError, OverflowError):
        raise ValueError(_no_such_moment(zone)) from None


def _no_such_moment(zone: str) -> str:
    try:
        find_zone(zone)
    except InvalidSchedule as error:
        return error.errors["timezone"]
    return sentence("datetime_parsing")


def number_of(text: str) -> str:
    """A decimal comma as a point. Three digits after it may as well be thousands: that is left, and asked about."""
    return text.replace(",", ".") if re.fullmatch(r"[+-]?\d+,(?:\d{1,2}|\d{4,})", text) else text


_OFFSET = re.compile(r"[+-]\d\d:\d\d(?::\d\d)?")


def _placed(moment: datetime, zone: str) -> datetime:
    """A moment by the clock of a zone."""
    if not zone:
        own = reader().zone
        return moment.astimezone() if own is None else moment.replace(tzinfo=own)
    if _OFFSET.fullmatch(zone):
        return datetime.fromisoformat(f"{moment.isoformat()}{zone}")
    try:
        return moment.replace(tzinfo=ZoneInfo(zone))
    except (KeyError, ValueError, OSError):  # unknown, no name of a zone, or a folder of them
        raise ValueError("there is no such time zone") from None


def _shown_moment(item: Field, value: Any, zone: str | None) -> Shown:
    own = reader().zone
    zone = zone if zone is not None else own.key if own is not None else ""
    moment = _parsed(datetime, value)
    if not isinstance(moment, datetime):
        return Shown(text_of(value), zone if item.aware else None)
    if moment.tzinfo is None:
        text, place = written(moment), zone if item.aware else None
        exact = "" if datetime.fromisoformat(text) == moment else json.dumps(moment.isoformat())
        return Shown(text, place, exact)
    try:
        text = written(moment.astimezone(_zone(zone)))
        again = _placed(datetime.fromisoformat(text), zone)
        same = again == moment and again.utcoffset() == moment.utcoffset()
    except (ValueError, OverflowError, OSError):  # near the first or last year, or of no known zone
        text, zone, same = written(moment), moment.isoformat()[-6:], True
    return Shown(text, zone, "" if same else json.dumps(moment.isoformat()))


def _zone(name: str) -> Any:
    if name:
        return _placed(datetime(2000, 1, 1), name).tzinfo
    return reader().zone


def _shown_time(value: Any) -> Shown:
    clock = _parsed(time, value)
    if not isinstance(clock, time):
        return Shown(text_of(value))
    text, whole = written(clock), clock.isoformat()
    found = _OFFSET.search(whole)
    zone = found[0] if found else None
    same = time.fromisoformat(text + (zone or "")) == time.fromisoformat(whole)
    return Shown(text, zone, "" if same else json.dumps(whole))


def _parsed(cls: Any, value: Any) -> Any:
    """A moment or a time that is stored as a text; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return cls.fromisoformat(value.strip())
    except ValueError:
        return value


def _shown_as_text(value: Any) -> Shown:
    """What is no text in a field of text, such as a length of time or a number where both may be."""
    if isinstance(value, timedelta):
        return Shown(f"-{-value}" if value < timedelta(0) else str(value))
    plain = _plain(value)
    if isinstance(plain, str):
        return Shown(plain)
    text = text_of(plain) if not isinstance(plain, list | dict) else json.dumps(plain, ensure_ascii=False)
    return Shown(text, None, json.dumps(plain))


def _plain(value: Any) -> Any:
    """What JSON does not know, as a model reads it from JSON."""
    from pydantic_core import to_jsonable_python  # who has such a field has loaded it

    try:
        return to_jsonable_python(value, fallback=str)
    except Exception:  # bytes that are no text, or a value that contains itself
        return str(value)


# -- what is sent back

#: How deep what is sent may be nested: what is checked, stored and shown again step by step must not run out of stack.
DEEPEST = 100


def from_json(text: str) -> Any:
    """The value of a JSON text.

    :raises ValueError: with a sentence on why it cannot be taken.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(sentence("recursion_depth_exceeded")) from None
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise ValueError(tr("This is not valid JSON. Look at line %(line)s.", line=line)) from None
    if wrong := flaw_of(value):
        raise ValueError(wrong)
    return value


def flaw_of(value: Any) -> str:
    """Why a value of JSON cannot be taken, as a sentence; "" when it can."""
    left = [(value, 1)]
    while left:
        part, depth = left.pop()
        if depth > DEEPEST:
            return sentence("recursion_depth_exceeded")
        if isinstance(part, str) and any("\ud800" <= sign <= "\udfff" for sign in part):
            return sentence("string_unicode")  # half of a sign: no database or page holds it
        inner = [*part.keys(), *part.values()] if isinstance(part, dict) else part if isinstance(part, list) else []
        left += [(each, depth + 1) for each in inner]
    return ""


def read_exact(item: Field, text: Any, zone: str | None, exact: str) -> tuple[bool, Any]:
    """The whole value that stood beside a control, if the control still shows it.

    :returns: whether it does, and the value.
    """
    try:
        value = from_json(exact) if exact else None
        known = shown(item, value, zone) if exact else None
    except (ValueError, OverflowError):
        return False, None
    if known is None or not _same(item, known.text, text) or known.zone != zone:
        return False, None
    return True, value


def is_default(item: Field, text: Any, zone: str | None, exact: str) -> bool:
    """Whether what was sent is what the field shows for its default."""
    known = shown(item, item.default, zone)
    if not item.has_default or not _same(item, known.text, text) or known.zone != zone:
        return False
    return exact == known.exact or not read_exact(item, text, zone, exact)[0]


def _same(item: Field, one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return set(one) == set(other)
    if item.kind in ("datetime", "time"):  # a browser writes the same moment in digits of its own
        cls = datetime if item.kind == "datetime" else time
        return bool(_parsed(cls, one) == _parsed(cls, other))
    return bool(one == other) or (isinstance(one, str) and isinstance(other, str) and _bare(one) == _bare(other))


def _bare(text: str) -> str:
    """A text however its lines are broken: a browser sends breaks of its own."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
