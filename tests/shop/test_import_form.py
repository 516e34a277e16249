"""The import as people start it: by the form, without JavaScript, with every kind of bad file."""

from __future__ import annotations

import io
import re

import pytest

from examples.shop.models import Product, db
from stask_web import Task, stask
from stask_web.state import state_of

from .conftest import person, token_of

FORM = "/stask/workers/product/run/import"
GOOD = "sku,name,price\nA,Wings,1\n"


@pytest.fixture
def operator(shop):
    """A browser in which an operator is signed in."""
    return person(shop, "operator")


def send(client, content: bytes | None, name: str = "prices.csv", **fields):
    files = {"file": (io.BytesIO(content), name)} if content is not None else {}
    return client.post(FORM, data={"csrf_token": token_of(client, FORM), **files, **fields})


def run(shop) -> Task:
    with shop.app_context():
        stask.process_pending_tasks()
        task = Task.query().order_by(Task.id.desc()).first()
        assert task is not None
        return task


def nothing_left(shop) -> bool:
    storage = state_of(shop).storage
    with shop.app_context():
        return Task.query().count() == 0 and not any(path.is_file() for path in storage.uploads.rglob("*"))


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (None, "", "Choose a file."),
        (b"", "prices.csv", "The file is empty."),
        (b"MZ\x90\x00\x03\x00\x00\x00", "prices.csv", "This is a program, not a CSV file."),
        (b"MZ\x90\x00\x03\x00\x00\x00", "setup.exe", "Choose a .csv file. “setup.exe” is not one."),
        (b"x" * 5000, "prices.csv", "The file is too big. The limit is 4.0 KB."),
    ],
)
def test_a_bad_file_is_said_at_its_field_and_nothing_is_kept(shop, operator, content, name, sentence):
    state = state_of(shop)
    state.settings = state.settings.__class__(**{**vars(state.settings), "max_upload": 4096})
    answer = send(operator, content, name, delimiter=";")
    assert answer.status_code == 422
    assert re.search(rf'id="error-file" data-error>{re.escape(sentence)}</p>', answer.text)
    assert re.search(r'<option value=";" selected>', answer.text), "what was chosen is kept"
    assert nothing_left(shop)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "sku,name,pryce\nA,B,1\n",
            "Column &#39;price&#39; is missing. Found: sku, name, pryce. Did you mean &#39;pryce&#39;?",
        ),
        ("sku,name,price\n", "The file has a header, but no rows below it."),
        ("sku,name,price,price\nA,B,1,2\n", "Column &#39;price&#39; appears twice in the header."),
    ],
)
def test_a_file_that_is_no_price_list_is_refused_before_it_starts_and_its_chip_stays(shop, operator, content, sentence):
    answer = send(operator, content.encode())
    assert answer.status_code == 422
    assert sentence in answer.text
    assert re.search(r'name="file__upload" value="[0-9a-f]{32}"', answer.text)


@pytest.mark.parametrize(
    "content",
    [
        GOOD.encode(),
        GOOD.encode("utf-8-sig"),
        GOOD.encode("utf-16"),
        "sku;name;price\r\nA;Тіні;12,50\r\n".encode("cp1251"),
        b'sku,name,price\nA,"two\nlines",1\n',
    ],
    ids=["utf-8", "bom", "utf-16", "cp1251", "line break"],
)
def test_good_files_of_every_making_come_in(shop, operator, content):
    answer = send(operator, content)
    assert (answer.status_code, answer.location) == (303, "/stask/tasks/1")
    task = run(shop)
    assert (task.status_text, task.message) == ("completed", "1 imported")
    with shop.app_context():
        assert db.session.query(Product).count() == 1


def test_a_chosen_delimiter_reads_what_automatic_would_misread(shop, operator):
    content = b"sku|name|price\nA,1|B,2|3\n"
    assert send(operator, content, delimiter=",").status_code == 422
    assert send(operator, content, delimiter="|").status_code == 303
    assert run(shop).message == "1 imported"


def test_check_only_changes_nothing(shop, operator):
    send(operator, GOOD.encode(), _check="1")
    assert run(shop).message == "Nothing was saved. 1 would be imported, 0 refused"
    with shop.app_context():
        assert db.session.query(Product).count() == 0


def test_a_file_survives_an_error_elsewhere_and_is_used_by_its_token(shop, operator):
    first = send(operator, GOOD.encode(), delimiter="nonsense")
    assert first.status_code == 422
    token = re.search(r'name="file__upload" value="([0-9a-f]{32})"', first.text).group(1)
    assert "prices.csv" in first.text
    assert '<td class="preview-cell">Wings</td>' in first.text
    assert send(operator, None, file__upload=token).status_code == 303
    assert run(shop).message == "1 imported"


def test_the_token_of_somebody_else_is_none(shop, operator):
    first = send(operator, GOOD.encode(), delimiter="nonsense")
    token = re.search(r'name="file__upload" value="([0-9a-f]{32})"', first.text).group(1)
    answer = send(person(shop, "admin"), None, file__upload=token)
    assert answer.status_code == 422
    assert "There is no such upload" in answer.text


def test_refused_rows_can_be_downloaded_byte_for_byte(shop, operator):
    send(operator, b"sku,name,price\nA,,1\nB,Wings,2\n")
    task = run(shop)
    assert task.message == "1 imported, 1 refused"
    page = operator.get(f"/stask/tasks/{task.id}")
    assert "Download refused rows" in page.text
    (address,) = set(re.findall(r'href="(/stask/tasks/\d+/files/\d+)"', page.text))
    refused = operator.get(address)
    assert refused.data.decode("utf-8-sig") == "sku,name,price,reason,line\r\nA,,1,The name is missing,2\r\n"
    assert "attachment" in refused.headers["Content-Disposition"]
    refused.close()


def test_without_a_token_nothing_starts(shop, operator):
    answer = operator.post(FORM, data={"file": (io.BytesIO(GOOD.encode()), "prices.csv")})
    assert answer.status_code == 400
    assert nothing_left(shop)
