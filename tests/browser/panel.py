"""The gallery's site behind a plain server: for what a page does by itself, without gunicorn or worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser.gallery import serving
from tests.browser.gallery_site import Gallery, make_gallery
from tests.browser.watch import Watch

PHONE = {"viewport": {"width": 360, "height": 760}, "has_touch": True}


class Panel:
    """A served gallery, and browsers in front of it.

    :param browser: of Playwright.
    :param url: where it is served.
    """

    def __init__(self, browser: Any, gallery: Gallery, url: str) -> None:
        self._browser, self.gallery, self.url = browser, gallery, url
        self._contexts: list[Any] = []
        self._watches: list[Watch] = []

    def open(self, path: str, *, script: bool = True, **options: Any) -> Any:
        """A page of the panel in a browser of its own."""
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        context = self._browser.new_context(java_script_enabled=script, **options)
        context.set_default_timeout(30_000)
        self._contexts.append(context)
        self._watches.append(Watch(context, script=script))
        page = context.new_page()
        page.goto(f"{self.url}/stask{path}")
        return page

    @contextmanager
    def provoked(self, pattern: str) -> Iterator[None]:
        """Within the block, answers that match are what the test wanted."""
        for watch in self._watches:
            watch._allowed = pattern
        yield
        for watch in self._watches:
            watch._allowed = "(?!)"

    def task(self, name: str) -> str:
        """The path of one of the gallery's tasks."""
        return f"/tasks/{self.gallery.ids[name]}"

    def leave(self) -> None:
        """Close the pages: many that stay live are slow beside each other."""
        while self._contexts:
            self._contexts.pop().close()

    def close(self) -> None:
        """Leave, and see that nothing went wrong unnoticed."""
        self.leave()
        said = [text for watch in self._watches for text in watch.said]
        assert not said, said


@contextmanager
def panel_of(
    browser: Any, folder: Path, fill: Callable[[Gallery], None] | None = None, *, full: bool = True
) -> Iterator[Panel]:
    """Serve a gallery.

    :param fill: adds what a test needs beside it, within its app context.
    :param full: with workers and tasks; else with nothing.
    """
    gallery = make_gallery(folder, full=full)
    if fill is not None:
        with gallery.app.app_context():
            fill(gallery)
    with serving(gallery.app) as url:
        panel = Panel(browser, gallery, url)
        yield panel
        panel.close()
    gallery.state.database.engine.dispose()
    with gallery.app.app_context():
        for engine in gallery.app.extensions["sqlalchemy"].engines.values():
            engine.dispose()
