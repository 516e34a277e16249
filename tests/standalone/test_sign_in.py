"""Signing in by password, what a role may do, and how sessions end."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa
from flask import Flask

from stask_web.models import Account
from stask_web.standalone.accounts import Accounts
from stask_web.standalone.limits import PER_ADDRESS, PER_NAME, PER_PAIR, WINDOW, SignInLimit
from stask_web.standalone.pages import local_address
from stask_web.state import state_of

from .conftest import PASSWORD, Browser


@pytest.fixture(autouse=True)
def ada(accounts: Accounts) -> Account:
    """An admin."""
    return accounts.add("ada", "admin", PASSWORD)


@pytest.mark.parametrize("path", ["/", "/stask/", "/stask/tasks", "/stask/workers", "/stask/tasks/1"])
def test_nobody_sees_a_page_without_signing_in(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 302
    target = browser.get(answer.location) if path == "/" else answer
    assert target.location.startswith("/account/sign-in?next=")


def test_the_right_password_opens_the_page_that_was_asked_for(browser: Browser) -> None:
    answer = browser.sign_in(next="/stask/tasks?look=failed")
    assert (answer.status_code, answer.location) == (303, "/stask/tasks?look=failed")
    assert browser.sees_the_panel()


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong password"), ("eve", PASSWORD), ("", ""), ("ada", "")])
def test_a_wrong_name_or_password_is_refused_in_the_same_words(browser: Browser, name: str, password: str) -> None:
    answer = browser.sign_in(name, password)
    assert answer.status_code == 422
    assert "This name and password do not fit together." in answer.text
    assert not browser.sees_the_panel()


def test_an_account_without_a_password_cannot_be_guessed(browser: Browser, accounts: Accounts) -> None:
    accounts.add("bob", "admin")
    assert browser.sign_in("bob", "").status_code == 422


def test_the_password_is_stored_as_a_hash(app: Flask) -> None:
    with state_of(app).database.read() as connection:
        [row] = connection.execute(sa.select(Account.__table__)).all()
    assert PASSWORD not in repr(row)
    assert row.password_hash.startswith("scrypt:")


def test_a_form_of_another_site_signs_nobody_in(app: Flask) -> None:
    answer = app.test_client().post("/account/sign-in", data={"name": "ada", "password": PASSWORD})
    assert answer.status_code == 400
    assert "open for too long" in answer.text


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\/evil.example", "/%09/evil.example\t",
        "javascript:alert(1)", "stask/", "/\t/evil.example", "/\n/evil.example", "", "///evil.example",
    ],
)  # fmt: skip
def test_after_signing_in_nobody_is_led_to_another_site(browser: Browser, address: str) -> None:
    assert local_address(address) is None
    assert browser.sign_in(next=address).location == "/stask/"


def test_what_was_in_the_session_before_signing_in_does_not_go_on(app: Flask) -> None:
    client = app.test_client()
    with client.session_transaction() as session:
        session["planted"] = "by somebody else"
    assert Browser(client).sign_in().status_code == 303
    with client.session_transaction() as session:
        assert "planted" not in session
        assert "_user_id" in session


def test_signing_out_needs_a_post_and_ends_the_session(browser: Browser) -> None:
    browser.sign_in()
    assert browser.get("/account/sign-out").status_code == 405
    assert browser.sees_the_panel()
    answer = browser.post("/account/sign-out", page="/account/password")
    assert (answer.status_code, answer.location) == (303, "/account/sign-in")
    assert not browser.sees_the_panel()


def test_remembered_people_stay_signed_in_until_they_sign_out(app: Flask) -> None:
    client = app.test_client()
    browser = Browser(client)
    answer = browser.sign_in(remember="1")
    cookies = [text for text in answer.headers.getlist("Set-Cookie") if text.startswith("stask_remember=")]
    assert "HttpOnly" in cookies[0]
    assert "SameSite=Lax" in cookies[0]
    client.delete_cookie("stask_session")
    assert browser.sees_the_panel()
    browser.post("/account/sign-out", page="/account/password")
    client.delete_cookie("stask_session")
    assert not browser.sees_the_panel()


def test_without_the_tick_nobody_is_remembered(app: Flask) -> None:
    client = app.test_client()
    browser = Browser(client)
    browser.sign_in()
    client.delete_cookie("stask_session")
    assert not browser.sees_the_panel()


def test_cookies_are_for_https_only_where_the_page_came_by_https(app: Flask) -> None:
    client = app.test_client()
    secure = client.get("/account/sign-in", base_url="https://panel.example").headers["Set-Cookie"]
    plain = app.test_client().get("/account/sign-in").headers["Set-Cookie"]
    assert "Secure" in secure
    assert "Secure" not in plain
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain


def test_a_new_password_ends_other_sessions_but_not_this_one(browser: Browser, other_browser: Browser) -> None:
    browser.sign_in()
    other_browser.sign_in()
    wrong = browser.post("/account/password", current="not it at all", password="another long one")
    assert wrong.status_code == 422
    answer = browser.post("/account/password", current=PASSWORD, password="another long one")
    assert answer.status_code == 303
    assert browser.sees_the_panel()
    assert not other_browser.sees_the_panel()
    assert other_browser.sign_in().status_code == 422
    assert other_browser.sign_in(password="another long one").status_code == 303


def test_a_removed_account_is_signed_out(browser: Browser, accounts: Accounts) -> None:
    accounts.add("bob", "operator", PASSWORD)
    browser.sign_in("bob")
    assert browser.sees_the_panel()
    accounts.remove("bob")
    assert not browser.sees_the_panel()


def test_roles_decide_what_one_may_do(browser: Browser, other_browser: Browser, accounts: Accounts) -> None:
    accounts.add("vera", "viewer", PASSWORD)
    browser.sign_in("vera")
    other_browser.sign_in("ada")
    for path in ("/stask/workers/discover", "/stask/tasks/process"):
        assert browser.post(path, page="/account/password").status_code == 403
        assert other_browser.post(path, page="/account/password").status_code == 303


def test_too_many_wrong_tries_have_to_wait(browser: Browser) -> None:
    for _ in range(PER_PAIR):
        assert browser.sign_in(password="wrong password").status_code == 422
    answer = browser.sign_in()
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 200
    assert not browser.sees_the_panel()
    assert browser.sign_in("somebody else", "wrong password").status_code == 422


def test_the_wait_is_over_after_a_while_and_one_name_does_not_lock_another() -> None:
    clock = [1000.0]
    limit = SignInLimit(now=lambda: clock[0])
    for _ in range(PER_PAIR):
        limit.failed("Ada", "10.0.0.1")
    assert limit.wait("ada ", "10.0.0.1") == WINDOW
    assert limit.wait("ada", "10.0.0.2") == limit.wait("bob", "10.0.0.1") == 0
    clock[0] += WINDOW
    assert limit.wait("ada", "10.0.0.1") == 0


def test_one_address_cannot_try_many_names_and_many_addresses_not_one_name() -> None:
    limit = SignInLimit(now=lambda: 0.0)
    for number in range(PER_ADDRESS):
        limit.failed(f"name {number}", "10.0.0.1")
    assert limit.wait("fresh", "10.0.0.1") > 0
    for number in range(PER_NAME):
        limit.failed("ada", f"10.1.0.{number}")
    assert limit.wait("ada", "10.9.9.9") > 0


def test_a_success_forgets_the_failures_before_it() -> None:
    limit = SignInLimit(now=time.monotonic)
    for _ in range(PER_PAIR):
        limit.failed("ada", "10.0.0.1")
    limit.passed("ada", "10.0.0.1")
    assert limit.wait("ada", "10.0.0.1") == 0


def test_account_pages_are_not_kept_framed_or_told_to_others(browser: Browser) -> None:
    headers = browser.get("/account/sign-in").headers
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "strict-origin"


def test_names_are_found_in_any_case_and_any_script(
    accounts: Accounts, browser: Browser, other_browser: Browser
) -> None:
    accounts.add("Ольга", "operator", PASSWORD)
    assert browser.sign_in("ADA").status_code == 303
    assert other_browser.sign_in("Ольга").status_code == 303
