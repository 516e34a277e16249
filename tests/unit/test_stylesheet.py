"""The stylesheets: they stay below .stask, keep to their tokens, and what they write can be read."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from stask_web.views.page import STYLES

ROOT = Path(__file__).parents[2]
SHEETS = {
    path.stem: re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    for path in sorted((ROOT / "static/css").glob("*.css"))
}
CSS = "\n".join(SHEETS.values())
COLOUR = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
TOKENS = {name: {"light": light, "dark": dark} for name, light, dark in COLOUR.findall(SHEETS["stask"])}


def at_commas(head: str) -> list[str]:
    """The selectors of a rule; a comma within brackets is of one of them."""
    parts, depth = [""], 0
    for letter in head:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def outside_of_brackets(selector: str) -> str:
    """A selector without what its pseudo-classes and attributes hold."""
    while (outer := re.sub(r":[a-z-]+\([^()]*\)|\[[^\]]*\]", ":", selector)) != selector:
        selector = outer
    return selector


def selectors() -> list[str]:
    """Every selector, also those inside of at-rules; not the steps of animations."""
    plain = re.sub(r"@keyframes[^{]+\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", CSS)
    heads = re.findall(r"([^{};]+)\{", plain)
    return [part for head in heads if not head.strip().startswith("@") for part in at_commas(head) if part]


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast by WCAG 2, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_no_selector_reaches_beyond_the_panel() -> None:
    found = selectors()
    assert len(found) > 300
    below = r"(\[data-theme=\"\w+\"\] )?(\.stask\b|:where\(\.stask\.is-embedded\) )"
    strays = [selector for selector in found if not re.match(below, selector)]
    assert strays == []


def test_no_bare_element_no_id_and_nothing_important() -> None:
    assert "!important" not in CSS
    for selector in selectors():
        outside = outside_of_brackets(selector)
        assert "#" not in outside, selector
        last = re.split(r"[\s>+~]+", outside)[-1]
        assert last.startswith((".", ":", "*")) or not last, selector


def test_one_shadow_and_no_gradient_but_the_stripe_of_an_unknown_total_and_the_edge_of_what_goes_on() -> None:
    assert CSS.count("box-shadow") == 1
    assert CSS.count("gradient") == 2
    assert CSS.count("mask-image: linear-gradient") == 1


@pytest.mark.parametrize(("scheme", "surface"), [*product(("light", "dark"), ("surface", "ground"))])
@pytest.mark.parametrize("text", ["text", "muted", "running", "done", "attention", "failed"])
def test_text_can_be_read_on_both_surfaces(text: str, scheme: str, surface: str) -> None:
    assert contrast(TOKENS[text][scheme], TOKENS[surface][scheme]) >= 5.3


@pytest.mark.parametrize(("scheme", "surface"), [*product(("light", "dark"), ("surface", "ground"))])
def test_borders_of_inputs_can_be_seen(scheme: str, surface: str) -> None:
    assert contrast(TOKENS["input-border"][scheme], TOKENS[surface][scheme]) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_primary_button_and_a_row_under_the_pointer_can_be_read(scheme: str) -> None:
    assert contrast(TOKENS["on-accent"][scheme], TOKENS["running"][scheme]) >= 4.5
    for text in ("text", "muted", "running", "done", "attention", "failed"):
        assert contrast(TOKENS[text][scheme], TOKENS["hover"][scheme]) >= 4.5


def test_every_class_has_a_use() -> None:
    files = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("static/js/*.js"), *ROOT.glob("stask_web/**/*.py")]
    used = "\n".join(path.read_text() for path in files)
    made = ("tone-", "icon-")  # their second half comes from a look or an icon
    classes = {name for name in re.findall(r"\.([a-z][a-z0-9-]+)", CSS) if not name.startswith(made)}
    assert [name for name in sorted(classes) if not re.search(rf"(?<![\w-]){name}(?![\w-])", used)] == []


def test_nothing_moves_for_those_who_asked_for_stillness() -> None:
    still = re.sub(
        r"@media \(prefers-reduced-motion: no-preference\) \{(?:[^{}]*\{[^{}]*\})*[^{}]*\}",
        "",
        re.sub(r"@keyframes[^{]+\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", CSS),
    )
    assert "no-preference" in CSS
    moves = re.findall(r"(?:animation|transition)[\w-]*:[^;]+;", still)
    assert moves == [  # no time passes in it: an edge fades as far as the reader has scrolled himself
        "animation: stask-fade-left linear both, stask-fade-right linear both;",
        "animation-timeline: scroll(self inline);",
        "animation-range: 0 40px, calc(100% - 40px) 100%;",
    ]


def test_tokens_stand_in_the_one_sheet_that_every_page_has() -> None:
    others = [
        name for name, text in SHEETS.items() if name != "stask" and re.search(r"^\s*--[\w-]+:", text, re.MULTILINE)
    ]
    assert others == []


def test_every_sheet_is_named_by_a_page() -> None:
    files = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("static/js/*.js"), ROOT / "stask_web/views/errors.py"]
    named = set(re.findall(r"css/(\w+)\.css|data-style=\"(\w+)\"", "\n".join(path.read_text() for path in files)))
    names = {name for pair in named for name in pair if name} | {name for sheets in STYLES.values() for name in sheets}
    assert names == set(SHEETS)
