"""One-time links: they work once, for an hour, and only when somebody presses the button."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from stask_web.models import SignInLink
from stask_web.standalone.accounts import LINK_LIFE, AccountError, Accounts
from stask_web.standalone.invitation import announce, note
from stask_web.state import state_of

from .conftest import PASSWORD, Browser


def path_of(token: str) -> str:
    return f"/account/link/{token}"


def test_the_first_link_makes_an_admin_and_signs_in(browser: Browser, accounts: Accounts) -> None:
    path = path_of(accounts.new_link(None))
    assert "Create the first account" in browser.get(path).text
    answer = browser.post(path, name="ada", password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/stask/")
    assert [(account.name, account.role) for account in accounts.all()] == [("ada", "admin")]
    assert browser.sees_the_panel()


def test_the_first_link_works_once(browser: Browser, other_browser: Browser, accounts: Accounts) -> None:
    path = path_of(accounts.new_link(None))
    token_page = other_browser.get(path)
    assert token_page.status_code == 200
    browser.post(path, name="ada", password=PASSWORD)
    assert other_browser.get(path).status_code == 410
    assert other_browser.post(path, page="/account/sign-in", name="eve", password=PASSWORD).status_code == 410
    assert [account.name for account in accounts.all()] == ["ada"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_a_link_does_not_use_it_up(app: Flask, browser: Browser, accounts: Accounts, method: str) -> None:
    path = path_of(accounts.new_link(None))
    for _ in range(3):
        assert app.test_client().open(path, method=method).status_code == 200
    assert browser.post(path, name="ada", password=PASSWORD).status_code == 303


def test_a_link_ends_after_an_hour(browser: Browser, accounts: Accounts, app: Flask) -> None:
    path = path_of(accounts.new_link(None))
    with state_of(app).database.write() as connection:
        row = connection.execute(sa.select(SignInLink.created_at, SignInLink.expires_at)).one()
        assert (row.expires_at - row.created_at).total_seconds() == pytest.approx(LINK_LIFE) == 3600
        connection.execute(sa.update(SignInLink).values(expires_at=time.time() - 1))
    assert browser.get(path).status_code == 410
    assert browser.post(path, page="/account/sign-in", name="eve", password=PASSWORD).status_code == 410
    assert not accounts.any()


def test_only_a_hash_of_the_token_is_stored(accounts: Accounts, app: Flask) -> None:
    token = accounts.new_link(None)
    with state_of(app).database.read() as connection:
        [row] = connection.execute(sa.select(SignInLink.__table__)).all()
    assert token not in repr(row)
    assert len(row.token_hash) == 64


def test_a_bad_name_or_password_does_not_use_the_link_up(browser: Browser, accounts: Accounts) -> None:
    path = path_of(accounts.new_link(None))
    answer = browser.post(path, name="ada", password="short")
    assert answer.status_code == 422
    assert "at least 10 characters" in answer.text
    assert 'value="ada"' in answer.text
    assert "short" not in answer.text
    assert browser.post(path, name=" ", password=PASSWORD).status_code == 422
    assert browser.post(path, name="ada", password=PASSWORD).status_code == 303


def test_a_link_without_its_form_token_is_not_used_up(app: Flask, browser: Browser, accounts: Accounts) -> None:
    path = path_of(accounts.new_link(None))
    answer = app.test_client().post(path, data={"name": "eve", "password": PASSWORD})
    assert answer.status_code == 400
    assert "Create the first account" in answer.text
    assert not accounts.any()
    assert browser.post(path, name="ada", password=PASSWORD).status_code == 303


def test_of_two_at_the_same_moment_one_makes_the_first_account(accounts: Accounts) -> None:
    token = accounts.new_link(None)
    start = threading.Barrier(4)
    made: list[Any] = []

    def make(name: str) -> None:
        start.wait()
        made.append(accounts.make_first(token, name, PASSWORD))

    threads = [threading.Thread(target=make, args=(f"person {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([account for account in made if account is not None]) == 1
    assert len(accounts.all()) == 1


def test_no_first_link_works_once_there_is_an_account(browser: Browser, accounts: Accounts) -> None:
    path = path_of(accounts.new_link(None))
    accounts.add("ada", "admin", PASSWORD)
    assert browser.post(path, name="eve", password=PASSWORD).status_code == 410
    assert [account.name for account in accounts.all()] == ["ada"]


def test_a_new_link_ends_the_one_before(browser: Browser, accounts: Accounts) -> None:
    old, new = accounts.new_link(None), accounts.new_link(None)
    assert browser.get(path_of(old)).status_code == 410
    assert browser.get(path_of(new)).status_code == 200


def test_an_accounts_link_signs_in_once_and_asks_for_a_password(
    browser: Browser, other_browser: Browser, accounts: Accounts
) -> None:
    path = path_of(accounts.new_link(accounts.add("bob", "operator")))
    assert "Sign in as bob" in browser.get(path).text
    answer = browser.post(path)
    assert (answer.status_code, answer.location) == (303, "/account/password")
    assert browser.sees_the_panel()
    assert other_browser.get(path).status_code == 410
    assert browser.post("/account/password", password=PASSWORD).status_code == 303
    assert other_browser.sign_in("bob").location == "/stask/"


def test_a_forgotten_password_is_replaced_by_way_of_a_link_and_only_then_without_the_old_one(
    browser: Browser, other_browser: Browser, accounts: Accounts
) -> None:
    bob = accounts.add("bob", "operator", PASSWORD)
    other_browser.sign_in("bob")
    assert other_browser.post("/account/password", password="another long one").status_code == 422
    browser.post(path_of(accounts.new_link(bob)))
    assert "Current password" not in browser.get("/account/password").text
    assert browser.post("/account/password", password="another long one").status_code == 303
    assert "Current password" in browser.get("/account/password").text
    assert browser.post("/account/password", password="a third long one").status_code == 422
    assert accounts.check("bob", "another long one") is not None


def test_a_link_is_gone_with_its_account(browser: Browser, accounts: Accounts) -> None:
    path = path_of(accounts.new_link(accounts.add("bob", "operator")))
    accounts.remove("bob")
    assert browser.get(path).status_code == 410


def test_up_tells_the_first_link_until_there_is_an_account(app: Flask, browser: Browser, accounts: Accounts) -> None:
    text = note(app, "http://127.0.0.1:8000")
    assert text is not None
    address = text.rsplit(" ", 1)[1]
    assert address.startswith("http://127.0.0.1:8000/account/link/")
    assert browser.get(address.removeprefix("http://127.0.0.1:8000")).status_code == 200
    accounts.add("ada", "admin", PASSWORD)
    assert note(app, "http://127.0.0.1:8000") is None


def test_under_gunicorn_the_first_link_is_printed_by_one_process_only(
    app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/27.0")
    announce(app)
    announce(app)
    printed = capsys.readouterr().err
    assert printed.count("/account/link/") == 1
    assert browser.get(printed.split()[-1]).status_code == 200


def test_commands_and_tests_print_no_link(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    announce(app)
    assert capsys.readouterr().err == ""


def test_whoever_finds_no_account_makes_the_server_print_one_link(
    browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    page = browser.get("/account/sign-in").text
    assert "No account yet" in page
    assert "/account/link/" not in page
    browser.get("/account/sign-in")
    assert capsys.readouterr().err.count("/account/link/") == 1


def test_the_only_admin_cannot_be_removed(accounts: Accounts) -> None:
    accounts.add("ada", "admin", PASSWORD)
    with pytest.raises(AccountError, match="only admin"):
        accounts.remove("ada")
    accounts.add("bob", "admin", PASSWORD)
    accounts.remove("ada")
    assert [account.name for account in accounts.all()] == ["bob"]
