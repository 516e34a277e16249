"""The texts of other languages: whole, like the English ones in their places, and as the catalogue compiles them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface
from pathlib import Path
from re import Pattern
from typing import Annotated, Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from annotated_types import Predicate
from pydantic import (
    AfterValidator,
    AnyUrl,
    Base64Bytes,
    ByteSize,
    DirectoryPath,
    FilePath,
    ImportString,
    IPvAnyAddress,
    IPvAnyNetwork,
    Json,
    NewPath,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

from stask_web import errors, stored
from stask_web.claims import decide, stopped_by
from stask_web.engines.hand import describe
from stask_web.errors import DatabaseBusy, InvalidOptions, STaskError, UploadRefused
from stask_web.language import LANGUAGES, Counted, Reader, forms, reader, reading, tr, trn
from stask_web.options import check_model
from stask_web.runner.run import at_row
from stask_web.sentences import AUTHORS_OWN, SENTENCES, sentence, sentence_on
from stask_web.sniff import check_size
from tests import messages as tool

UKRAINIAN = Reader("uk", ZoneInfo("Europe/Kyiv"))
OTHERS = sorted(LANGUAGES.keys() - {"en"})
PLACE = re.compile(r"%\(\w+\)s|%%")


# The catalogues


def test_each_language_has_a_catalogue() -> None:
    assert tool.languages() == OTHERS


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_of_the_code_is_translated(language: str) -> None:
    found = {message.id: message for message in tool.read(language) if message.id}
    wanted = {message.id: message for message in tool.template() if message.id}
    new = [f"{message.locations[0][0]}: {key!r}" for key, message in wanted.items() if key not in found]
    assert new == [], f"These texts are not in the catalogue. Run `make messages` and translate them in {language}."
    assert tool.missing(tool.read(language)) == [], "These texts have no translation."
    assert [key for key in found if key not in wanted] == [], "These are in no text any more: run `make messages`."
    assert [key for key, message in found.items() if message.fuzzy] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_same_places(language: str) -> None:
    wrong = []
    for message in tool.read(language):
        if not message.id:
            continue
        known = set(PLACE.findall(" ".join([message.id] if isinstance(message.id, str) else message.id)))
        is_counted = not isinstance(message.id, str)
        for text in tool.strings(message):
            places = set(PLACE.findall(text))
            lost = known - places if not is_counted else set()
            if places - known or lost or ("%" in PLACE.sub("", text) and known):
                wrong.append((message.id, text))
    assert wrong == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_ends_as_the_text_does(language: str) -> None:
    ends = (".", "…", "?", ":", ",")
    wrong = [
        (text, message.id)
        for message in tool.read(language)
        if message.id
        for text in tool.strings(message)
        for original in [message.id if isinstance(message.id, str) else message.id[0]]
        if (original.endswith(ends) and text[-1] != original[-1])
        or original[:1].isspace() != text[:1].isspace()
    ]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("language", OTHERS)
def test_the_compiled_catalogue_is_that_of_the_text(language: str) -> None:
    path = tool.path_of(language)
    assert path.with_suffix(".mo").read_bytes() == tool.compiled(tool.read(language)), "Run `make messages`."
    assert path.read_bytes() == tool.written(tool.brought_up_to_date(language)), "Run `make messages`."


def test_every_text_is_a_literal(repository: Path) -> None:
    """A text that is put together at run time is in no catalogue; what a table holds is marked there."""
    wrong = []
    for path in sorted((repository / "stask_web").rglob("*.py")):
        if path.name == "language.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", None)
            if isinstance(node, ast.Call) and name in ("tr", "trn", "mark", "markn", "forms"):
                built = [arg for arg in node.args[:2] if isinstance(arg, ast.JoinedStr | ast.BinOp)]
                wrong += [f"{path.name}:{arg.lineno}: {ast.unparse(arg)}" for arg in built]
    assert wrong == []


def test_the_tool_reads_python_and_templates() -> None:
    source = 'tr("One %(n)s", n=1)\nf"{tr(\'Two\')}"\ntrn("a", "b", 3)\nmark("Thr" "ee")\ntr(text)\nother("No")'
    assert list(tool.texts_of_python(source)) == ["One %(n)s", ("a", "b"), "Three", "Two"]
    html = '{{ tr("One") }}{{ ui.tr("Two") if x else widget.ui.tr("Three") }}{{ trn("a", "b", n) }}{{ tr(word) }}'
    assert list(tool.texts_of_template(html)) == ["One", "Two", "Three", ("a", "b")]


def test_docstrings_that_people_see_are_marked() -> None:
    """An error without a message of its own says the first line of its docstring."""
    people_see = (
        errors.WorkerInactive, errors.TaskNotFound, errors.ScheduleNotFound, errors.IllegalMove, errors.AlreadyRunning,
        errors.DatabaseBusy, errors.UploadRefused,
    )  # fmt: skip
    said = {(cls.__doc__ or "").strip().splitlines()[0] for cls in people_see}
    assert said == set(errors.SHOWN)
    with reading(UKRAINIAN):
        assert "База даних зайнята" in DatabaseBusy().message


# The reader


def test_a_text_is_made_for_its_reader() -> None:
    assert tr("Waiting") == "Waiting"
    with reading(UKRAINIAN):
        assert tr("Waiting") == "Очікує"
        assert tr("Starts after %(task)s", task="Import") == "Почнеться після завдання «Import»"
        assert reader() == UKRAINIAN
    assert tr("Waiting") == "Waiting"


@pytest.mark.parametrize(("n", "text"), [(1, "1 стовпець"), (3, "3 стовпці"), (11, "11 стовпців"), (21, "21 стовпець")])
def test_a_number_takes_its_form(n: int, text: str) -> None:
    with reading(UKRAINIAN):
        assert trn("%(num)s column", "%(num)s columns", n) == text


def test_the_browser_gets_every_form() -> None:
    assert forms("%(num)s column", "%(num)s columns") == '{"one": "{n} column", "other": "{n} columns"}'
    with reading(UKRAINIAN):
        found = forms("%(num)s column", "%(num)s columns")
    assert found == '{"one": "{n} стовпець", "few": "{n} стовпці", "many": "{n} стовпців"}'


def test_a_process_for_english_never_loads_babel() -> None:
    code = (
        "import sys, stask_web, stask_web.formatting, stask_web.engines.supervisor\n"
        "from stask_web import numbers, times\n"
        "numbers.number(1204); numbers.human_size(3000); times.duration(100)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('babel', 'flask_babel')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Sentences on options


def test_every_error_of_pydantic_has_a_sentence() -> None:
    known = set(get_args(core_schema.ErrorType))
    assert len(known) > 100
    assert known - SENTENCES.keys() - set(AUTHORS_OWN) == set(), "Give each of these a sentence in sentences.py."


def test_the_sentences_take_what_pydantic_gives() -> None:
    from pydantic_core._pydantic_core import list_all_errors

    for error in list_all_errors():
        text = SENTENCES.get(error["type"])
        if text is None:
            continue
        given = set((error.get("example_context") or {}).keys())
        parts = (text.one, text.many) if isinstance(text, Counted) else (text,)
        places = {name for part in parts for name in re.findall(r"%\((\w+)\)s", part)}
        assert places <= given, error["type"]


def test_what_pydantic_says_itself_is_said_by_us_in_both_languages() -> None:
    from pydantic_core import PydanticKnownError
    from pydantic_core._pydantic_core import list_all_errors

    for error in list_all_errors():
        kind, values = error["type"], error.get("example_context")
        if kind in AUTHORS_OWN:
            continue
        said = PydanticKnownError(kind, values).message()
        assert sentence_on(kind, said, values) == sentence(kind, values) != said, kind
        with reading(UKRAINIAN):
            assert re.search("[а-яіїєґ]", sentence_on(kind, said, values)), kind


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (IPvAnyAddress, "x"), (IPv4Address, "x"), (IPv6Address, "x"), (IPvAnyNetwork, "x"), (IPv4Network, "x"),
        (IPv6Interface, "x"), (Pattern, "("), (Pattern, 1), (ZoneInfo, "Nowhere/No"), (FilePath, "/no/such"),
        (DirectoryPath, "/no/such"), (NewPath, "/"), (ByteSize, "x"), (ByteSize, "1 cows"), (Path, 1),
        (Base64Bytes, b"abc"), (ImportString, "no:where"), (Sequence[str], "abc"),
        (Annotated[int, Predicate(bool)], 0), (AnyUrl, "x"), (UUID, "x"), (Json, "{"), (timedelta, "x"), (bytes, 1),
    ],
)  # fmt: skip
def test_a_type_of_pydantics_own_is_refused_in_our_words(kind: Any, given: Any) -> None:
    model: Any = create_model("Made", x=(kind, ...))
    with pytest.raises(ValidationError) as theirs:
        model.model_validate({"x": given})
    english = refusal(model, {"x": given})
    assert english not in {error["msg"] for error in theirs.value.errors()}
    with reading(UKRAINIAN):
        assert re.search("[а-яіїєґ]", refusal(model, {"x": given}))


def refusal(model: Any, given: Any) -> str:
    with pytest.raises(InvalidOptions) as ours:
        check_model(model, given)
    return ours.value.errors["x"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("Not 100% good"), "Not 100% good"),
        (ValueError("Value error, mine"), "Value error, mine"),
        (AssertionError("No"), "No"),
        (ValueError(), "This value does not fit here."),
        (PydanticCustomError("mine", "Too {size}", {"size": "big"}), "Too big"),
        (PydanticCustomError("too_short", "At least {n} of mine", {"n": 3}), "At least 3 of mine"),
        (PydanticCustomError("email", "Use your address at work"), "Use your address at work"),
        (PydanticCustomError("path_not_file", "Mine is no file"), "Mine is no file"),
        (PydanticCustomError("value_error", "Mine, too"), "Mine, too"),
        (PydanticKnownError("greater_than", {"gt": 3}), "Enter more than 3."),
    ],
)
def test_an_authors_own_text_stays_as_he_wrote_it(error: Exception, text: str) -> None:
    def refuse(value: Any) -> Any:
        raise error

    assert refusal(create_model("Made", x=(Annotated[Any, AfterValidator(refuse)], ...)), {"x": 1}) == text


def test_a_bad_email_address_is_refused_in_our_words() -> None:
    text = "value is not a valid email address: An email address must have an @-sign."
    assert sentence_on("value_error", text, {"reason": "x"}).startswith("Enter an e-mail address")


def test_a_sentence_on_a_limit() -> None:
    assert sentence("greater_than_equal", {"ge": 600.0}) == "Enter 600 or more."
    assert sentence("string_too_short", {"min_length": 1}) == "Enter at least 1 character."
    assert sentence("of a stranger", {}) == "This value does not fit here."
    with reading(UKRAINIAN):
        assert sentence("greater_than_equal", {"ge": 0.5}) == "Введіть 0,5 або більше."
        assert sentence("string_too_short", {"min_length": 3}) == "Введіть щонайменше 3 символи."
        assert sentence("string_too_long", {"max_length": 255}) == "Введіть щонайбільше 255 символів."


def test_a_refused_file_is_refused_in_the_language_of_whoever_sends_it() -> None:
    with reading(UKRAINIAN), pytest.raises(UploadRefused) as refused:
        check_size(3 * 1024**2, 1024**2 + 1024**2 // 2)
    assert refused.value.message == "Файл завеликий. Найбільше — 1,5 МБ."


# Stored sentences


def engine_says() -> list[str]:
    """What processes write, made as they make it."""
    claim: Any = type("C", (), {"crashes": 2, "attempts": 1, "max_attempts": 3})()
    outcome: Any = type("O", (), {"kind": "crashed", "message": "Its process ended unexpectedly: exit code 3"})()
    often = decide(claim, outcome, 0.0).message
    where = at_row(1205, 3201)
    crashed = stored.CRASHED % {"where": where, "how": describe(9)}
    return [
        often,
        crashed,
        stored.ATTEMPT_STOPPED % {"number": 1, "most": 3, "sentence": crashed},
        stored.DRAINED % {"where": at_row(5, None)},
        stored.TOO_LONG % {"where": ""},
        stored.LOST,
        stored.PROGRAM_ERROR % {"where": where},
        stopped_by("Olena Koval", 1204),
        stopped_by(None, None),
        stored.WITHDRAWN_BY % {"name": "Olena Koval"},
        stored.WORKER_GONE % {"worker": "product"},
    ]


def test_what_processes_wrote_is_read_in_the_language_of_the_reader() -> None:
    for text in engine_says():
        assert stored.translated(text) == text
        with reading(UKRAINIAN):
            read = stored.translated(text)
        latin = re.sub(r"SIGKILL|Olena Koval|product", "", read)
        assert not re.search("[A-Za-z]", latin), (text, read)
    with reading(UKRAINIAN):
        assert stored.translated(engine_says()[2]) == (
            "Спроба 1 з 3 зупинилася: Процес несподівано завершився, на рядку 1\xa0205 з 3\xa0201: "
            "зупинено сигналом SIGKILL"
        )


@pytest.mark.parametrize(
    "text", ["Imported 3 rows", "Stopped by accident and went on at once, says the author", "", "Withdrawn money: 3"]
)
def test_an_authors_message_is_his_own(text: str) -> None:
    with reading(UKRAINIAN):
        shown = stored.translated(text)
    assert shown == text or text.startswith("Stopped by")


def test_each_stored_template_matches_its_own_texts_only() -> None:
    values = {"where": ", at row 5 of 9", "how": "exit code 1", "row": "5", "total": "9", "sentence": "It failed."}
    for template in stored._ALL:
        names = re.findall(r"%\((\w+)\)s", template)
        made = template % {name: values.get(name, "1") for name in names}
        found = stored.pattern_of(template).fullmatch(made)
        assert found is not None and found.groupdict() == {name: values.get(name, "1") for name in names}


def test_an_error_keeps_its_own_message() -> None:
    with reading(UKRAINIAN):
        assert STaskError("As it was said").message == "As it was said"
