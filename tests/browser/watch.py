"""What a page does while a test looks elsewhere: its complaints, its jumps, and every text it showed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LARGEST_SHIFT = 0.02

# Runs before each page's own scripts. `heard` keeps what the page showed of a task, with the time of each text.
LISTEN = """(() => {
    const heard = (window.heard = { shifts: [], fields: {}, bars: [], lines: [] });
    const add = (list, value) => list.at(-1)?.[0] === value || list.push([value, performance.now()]);
    const name = ({ node }) => node?.nodeType === 1 ? `${node.localName}.${node.className}` : node?.nodeName ?? "?";
    document.addEventListener("securitypolicyviolation", (event) =>
        console.error(`CSP: ${event.violatedDirective} forbids ${event.blockedURI} ${event.sample}`));
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries())
            if (!entry.hadRecentInput) heard.shifts.push([entry.value, entry.sources.map(name).join(" ")]);
    }).observe({ type: "layout-shift", buffered: true });
    const look = () => {
        const places = document.querySelectorAll(".hero [data-field], .widget-body [data-field]");
        for (const place of places)
            if (place.textContent) add((heard.fields[place.dataset.field] ??= []), place.textContent);
        const bar = document.querySelector(".hero progress, .widget-body progress");
        if (bar?.hasAttribute("value")) add(heard.bars, bar.value);
        if (bar) add(heard.lines, document.querySelectorAll(".log-line").length);
    };
    new MutationObserver(look).observe(document, {
        subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["value"],
    });
})();"""


class Watch:
    """Collects what must not happen in a browser context: console errors and warnings, failed requests, CSP violations.

    :param context: of Playwright.
    """

    def __init__(self, context: Any, *, script: bool = True) -> None:
        self.said: list[str] = []
        self._allowed = "(?!)"
        self._script = script
        if script:
            context.add_init_script(LISTEN)
        context.on("console", self._console)
        context.on("weberror", lambda error: self._note(f"uncaught: {error.error}"))
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)

    @contextmanager
    def provoked(self, pattern: str) -> Iterator[None]:
        """Within the block, complaints that match are what the test wanted."""
        self._allowed = pattern
        yield
        self._allowed = "(?!)"

    def _note(self, text: str) -> None:
        if not re.search(self._allowed, text):
            self.said.append(text)

    def _console(self, message: Any) -> None:
        # What the console says of requests comes at any time later; `_failed` and `_answered` say the same at once.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self._note(f"{message.type}: {message.text}")

    def _failed(self, request: Any) -> None:
        # A page that is left aborts what it asked for, a download ends its navigation, and 204 counts as aborted too.
        if request.failure != "net::ERR_ABORTED":
            self._note(f"failed: {request.method} {request.url} {request.failure}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self._note(f"answered {response.status}: {response.request.method} {response.url}")


def heard(page: Any) -> dict[str, Any]:
    """What the page, since it was loaded, showed of a task."""
    found: dict[str, Any] = page.evaluate("window.heard")
    return found


def texts(page: Any, field: str) -> list[str]:
    """All texts of one field, in the order in which the page showed them."""
    return [text for text, _ in heard(page)["fields"].get(field, [])]


def assert_calm(page: Any) -> None:
    """Nothing on the page has jumped since it was loaded."""
    shifts = heard(page)["shifts"]
    assert sum(value for value, _ in shifts) <= LARGEST_SHIFT, shifts


def shot(page: Any, name: str) -> None:
    """Keep a picture where somebody asked for pictures: ``STASK_SHOTS=folder``."""
    if folder := os.environ.get("STASK_SHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
