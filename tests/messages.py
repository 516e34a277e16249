"""The catalogues of texts: ``make messages`` collects what the code says, brings each up to date and compiles it.

Collected are the literal first arguments of ``tr``, ``trn``, ``mark``, ``markn`` and ``forms``, in Python and in
templates, there also as ``ui.tr``. What is new in a catalogue has no translation yet;
what is in none of the texts is dropped.
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "stask_web"
TEMPLATES = REPOSITORY / "templates"
CATALOGUES = PACKAGE / "translations"
DOMAIN = "stask"
#: Function -> how many of its first arguments are texts: two are the singular and the plural.
KEYWORDS = {"tr": 1, "mark": 1, "trn": 2, "markn": 2, "forms": 2}
#: No clock: a catalogue changes only when a text does.
_DATE = datetime(2026, 1, 1, tzinfo=UTC)

Text = str | tuple[str, ...]


def texts() -> Iterator[tuple[str, Text]]:
    """Every text of the code: the file it stands in, and itself or its singular and plural."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield from ((_name(path), text) for text in texts_of_python(path.read_text()))
    for path in sorted(TEMPLATES.rglob("*.html")):
        yield from ((_name(path), text) for text in texts_of_template(path.read_text()))


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def texts_of_python(source: str) -> Iterator[Text]:
    """The texts of a module, also those inside of f-strings."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call):
            name = getattr(call.func, "id", None) or getattr(call.func, "attr", None)
            given = call.args[: KEYWORDS.get(str(name), 0)]
            yield from _literals([arg.value if isinstance(arg, ast.Constant) else None for arg in given])


def texts_of_template(source: str) -> Iterator[Text]:
    """The texts of a template."""
    for call in Environment().parse(source).find_all(nodes.Call):
        name = getattr(call.node, "name", None) or getattr(call.node, "attr", None)
        given = call.args[: KEYWORDS.get(str(name), 0)]
        yield from _literals([arg.value if isinstance(arg, nodes.Const) else None for arg in given])


def _literals(given: Sequence[object]) -> Iterator[Text]:
    """One text, or a singular and a plural; nothing when they are no literals, for then they are marked elsewhere."""
    found = tuple(text for text in given if isinstance(text, str))
    if found and len(found) == len(given):
        yield found[0] if len(found) == 1 else found


def template() -> Catalog:
    """A catalogue of all texts without translations."""
    made = Catalog(domain=DOMAIN, creation_date=_DATE)
    places: dict[Text, set[str]] = {}
    for place, text in texts():
        places.setdefault(text, set()).add(place)
    for text, found in places.items():
        made.add(text, locations=[(place, 0) for place in sorted(found)])
    return made


def path_of(language: str) -> Path:
    """The catalogue of a language, as text."""
    return CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def languages() -> list[str]:
    """The languages that have a catalogue."""
    return sorted(path.parent.parent.name for path in CATALOGUES.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))


def read(language: str) -> Catalog:
    """A catalogue as it is."""
    with path_of(language).open("rb") as source:
        return read_po(source, locale=language, domain=DOMAIN)


def brought_up_to_date(language: str) -> Catalog:
    """A catalogue with all texts of the code and no others."""
    path = path_of(language)
    made = read(language) if path.exists() else Catalog(locale=language, domain=DOMAIN, creation_date=_DATE)
    made.update(template(), no_fuzzy_matching=True)
    made.obsolete.clear()
    made.fuzzy = False
    made.header_comment = "# Texts of stask-web. After a change of the code: make messages"
    made.creation_date = made.revision_date = _DATE
    made.project, made.version = "stask-web", "0"
    made.msgid_bugs_address = ""
    made.last_translator = made.language_team = "stask-web"
    return made


def written(catalogue: Catalog) -> bytes:
    """A catalogue as text. It does not say where a text stands, so that it changes only when a text does."""
    target = io.BytesIO()
    write_po(target, catalogue, sort_output=True, no_location=True, width=120)
    return target.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """A catalogue as programs read it."""
    target = io.BytesIO()
    write_mo(target, catalogue)
    return target.getvalue()


def strings(message: Message) -> list[str]:
    """The translations of a text: one, or one for each plural form; "" where there is none."""
    found = message.string or ""
    return [found] if isinstance(found, str) else [part or "" for part in found]


def missing(catalogue: Catalog) -> list[str]:
    """What is not translated, as singulars."""
    return [
        str(message.id if isinstance(message.id, str) else message.id[0])
        for message in catalogue
        if message.id and not all(strings(message))
    ]


def main() -> int:
    """Bring every catalogue up to date, or that of the languages that are named; says what is left to translate."""
    left = 0
    for language in sys.argv[1:] or languages():
        catalogue = brought_up_to_date(language)
        path = path_of(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(catalogue))
        path.with_suffix(".mo").write_bytes(compiled(catalogue))
        untranslated = missing(catalogue)
        left += len(untranslated)
        print(f"{language}: {len(catalogue)} texts, {len(untranslated)} to translate")
        for text in untranslated:
            print(f"  {text}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
