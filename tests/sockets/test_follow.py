"""The rule that no line is lost or doubled, by itself: pieces that overlap, repeat, go missing and come late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import THREADS, Browser, Server

pytestmark = pytest.mark.browser

# A journal in the page, a follower of it, and a line to it that is as bad as can be. `random` is repeatable.
PLAY = """async ([url, seed, generations]) => {
    const { Follower } = await import(url);
    let state = seed;
    const random = (below) => (state = (state * 1103515245 + 12345) % 2147483648) % below;
    let [generation, written, shown, late] = [0, [], [], []];
    const at = (offset) => `${generation}:${offset}`;
    const piece = (from, to) => ({
        start: at(from), end: at(to), first: from === 17, more: false, lines: written.slice(from - 17, to - 17),
    });
    const fetch = async (position) => {
        await new Promise((resolve) => setTimeout(resolve, random(3)));
        const [mine, offset] = position.split(":");
        const from = mine === String(generation) ? Number(offset) : 17;
        const to = Math.min(written.length + 17, from + 1 + random(9));
        return written.length ? { ...piece(from, to), more: to < written.length + 17 }
            : { start: "-:0", end: "-:0", first: true, more: false, lines: [] };
    };
    const follower = new Follower("-:0", {
        lines: (lines) => shown.push(...lines), anew: () => (shown = []), fetch,
    });
    for (let step = 0; step < 300; step += 1) {
        if (generations && random(60) === 0) { generation += 1; written = []; }
        for (let count = random(4); count >= 0; count -= 1) written.push(`${generation} ${written.length}`);
        const end = written.length + 17;
        const from = 17 + random(end - 17);
        const news = [piece(from, end), piece(Math.max(17, end - 2), end), piece(17, end)][random(3)];
        if (random(5) === 0) late.push(news);
        else if (random(6)) follower.take(news);
        if (late.length && random(8) === 0) follower.take(late.shift());
        if (random(4) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await follower.filling;
    const end = at(written.length + 17);
    await follower.take({ start: end, end, first: false, more: false, lines: [] });
    return [shown, written];
}"""


@pytest.fixture(scope="module")
def page(launched: Any, serve: Callable[..., Server]) -> Any:
    browser = Browser(launched, serve(*THREADS))
    yield browser.open("/tasks")
    browser.context.close()


@pytest.mark.parametrize("generations", [False, True], ids=["one journal", "journals that are replaced"])
@pytest.mark.parametrize("seed", range(1, 13))
def test_every_line_is_shown_once_in_its_order(page: Any, seed: int, generations: bool) -> None:
    module = page.locator("script[type=module]").first.evaluate("(script) => new URL('follow.js', script.src).href")
    shown, written = page.evaluate(PLAY, [module, seed, generations])
    assert shown == written
    assert written
