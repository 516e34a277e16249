"""Finds secrets in text, however they are written there: by ``repr``, as JSON, in an address, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

STARS = "********"
#: Shorter ones would hide half of every line.
SHORTEST = 4
_PARTS = re.compile(r"\\+|[^\\]")
_NAMED = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}


def pattern_of(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """What matches each of the secrets, and each line of one that has several; None when there is nothing to find."""
    texts = {text for secret in secrets for text in (secret, *map(str.strip, secret.splitlines()))}
    found = sorted((text for text in texts if len(text) >= SHORTEST and not text.isspace()), key=len, reverse=True)
    return re.compile("|".join("".join(map(_ways, _PARTS.findall(text))) for text in found)) if found else None


def _ways(letter: str) -> str:
    """The ways in which one character, or some backslashes, may be written. Letters and digits of ASCII have one."""
    if letter.isascii() and letter.isalnum():
        return letter
    if letter.startswith("\\"):  # each round of quoting doubles them
        return rf"(?:\\{{{len(letter)},{len(letter) * 8}}}|(?:{_percent(ord(letter[0]))}){{{len(letter)}}})"
    raw = letter.encode(errors="surrogatepass")
    ways = [re.escape(letter), "".join(map(_percent, raw))]
    if letter in _NAMED:
        ways.append(r"\\{1,4}" + _NAMED[letter])
    elif letter in "'\"/":
        ways.insert(0, r"\\{1,7}" + letter)
    elif letter == " ":
        ways.append(r"\+")
    if escape(letter) != letter:
        ways += [re.escape(escape(letter)), f"&#(?:{ord(letter)}|x0*{_hex(ord(letter))});"]
    if not (letter.isascii() and letter.isprintable()):
        ways += ["".join(r"\\{1,4}x" + _hex(byte, 2) for byte in raw), _escaped(letter)]
    return f"(?:{'|'.join(ways)})"


def _escaped(letter: str) -> str:
    """As Python and JSON write what is not ASCII."""
    units = letter.encode("utf-16-be", "surrogatepass")
    pairs = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    python = rf"\\{{1,4}}(?:U{_hex(ord(letter), 8)}|x{_hex(ord(letter), 2)})"
    return "".join(r"\\{1,4}u" + _hex(unit, 4) for unit in pairs) + "|" + python


def _percent(byte: int) -> str:
    return r"%(?:25){0,2}" + _hex(byte, 2)


def _hex(number: int, width: int = 1) -> str:
    """The digits of a number, big or small."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{number:0{width}x}")
