"""The page of `mfenv report` in a browser: that it can be used, by keys alone too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mfenv.reporting.page import page as page_of

from .browsing import circle, drawn, named, opened, seen, started, stops, without_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from mfenv.reporting.overview import Overview

pytestmark = pytest.mark.slow

PAPER, NIGHT = "rgb(255, 255, 255)", "rgb(22, 24, 29)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as found:
        yield found


@pytest.fixture
def look(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page of an overview."""
    ended = []

    def opens(view: Overview, **options: object) -> Page:
        path = tmp_path / "report.html"
        path.write_text(page_of(view))
        context = opened(browser, path, **options)
        ended.append(context)
        return context.__enter__()

    yield opens
    for context in ended:
        context.__exit__(None, None, None)


def small() -> Overview:
    return seen(small=drawn(12, platforms=("linux-64", "osx-arm64")), newer=drawn(12, newer=3))


def shows(page: Page, title: str) -> None:
    """Wait until the page shows what needs what of this."""
    page.get_by_role("heading", level=3, name=title, exact=True).wait_for()


def paper(page: Page) -> str:
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def column(page: Page, table: str, number: int) -> list[str]:
    rows = page.get_by_role("table", name=table, exact=True).locator("tbody tr:visible")
    return rows.locator(f"td:nth-child({number})").all_inner_texts()


def test_the_tab_key_leads_through_all_that_can_be_used(look: Callable[..., Page]) -> None:
    page = look(small())
    met = []
    for name in stops(page):
        met.append(name)
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        # In the drawing the frame of an area is the mark.
        assert style != "none" or name.startswith("g "), name
        assert name.partition(" ")[2], name
    assert met[0] == "a Skip to the content"
    wanted = [
        "a Packages",
        "input Find",
        "select Show",
        "button Dark colours",
        "button Environment",
    ]
    wanted += [
        "summary small linux-64",
        "button top0 1.0",
        "g part011, 121.0\u00a0kB, version 4.1",
        "a part000",
    ]
    assert [name for name in dict.fromkeys(met) if name in wanted] == wanted
    # One stop for all areas of the drawing, the largest of them.
    assert len([name for name in met if name.startswith("g ")]) == 1
    assert {name for name in met if name.startswith("a part")} == {
        f"a part{n:03}" for n in range(12)
    }


def test_the_first_link_skips_to_the_content(look: Callable[..., Page]) -> None:
    page = look(small())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'content'")
    page.keyboard.press("Tab")
    assert named(page) == "button Environment"


def test_tables_are_sorted_by_their_headings(look: Callable[..., Page]) -> None:
    page = look(seen(one=drawn(12)))
    heading = page.locator("#packages th", has_text="Size")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(page, "Packages", 4)[:2] == ["121.0 kB", "100.0 kB"]
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(page, "Packages", 1)[:2] == ["part000", "part001"]
    page.locator("#packages th", has_text="Version").get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") is None
    assert column(page, "Packages", 3)[0] == "0.1"


def test_what_is_typed_is_found_in_all_tables(look: Callable[..., Page]) -> None:
    page = look(small())
    page.locator("#treemap g").first.wait_for()
    page.get_by_label("Find").press_sequentially("PART01")
    assert {one[:6] for one in column(page, "Packages", 1)} == {"part01"}
    assert page.get_by_role("status").inner_text().startswith("in ")
    empty = page.locator("#asked").get_by_text("Nothing in this table fits")
    assert empty.is_visible()
    shown = page.locator("#treemap g:not(.apart)").evaluate_all(
        "all => all.map(g => g.dataset.key)"
    )
    assert shown == ["conda:part011", "pypi:part010"]
    page.get_by_label("Find").fill("")
    assert empty.is_hidden()
    assert len(column(page, "Packages", 1)) == 16  # three of them in two versions
    assert page.get_by_role("status").inner_text() == ""


def test_a_package_is_shown_with_its_needs_and_those_who_need_it(look: Callable[..., Page]) -> None:
    page = look(small())
    focus = page.locator("#focus")
    shows(page, "What was asked for")
    focus.get_by_role("button", name="top0 1.0").press("Enter")
    shows(page, "top0 1.0")
    assert named(page) == "h3 top0 1.0"
    assert focus.locator(".before").inner_text() == "No package needs it"
    assert "PyPI package, 5.0\u00a0kB" in focus.locator(".here").inner_text()
    focus.get_by_role("button", name="part000 0.1").press("Space")
    shows(page, "part000 0.1")
    assert named(page) == "h3 part000 0.1"
    assert focus.locator(".before button").all_inner_texts() == ["top0 1.0"]
    assert focus.locator(".after button").all_inner_texts() == ["part003 3.1"]
    reason = "pypi top0 (requirements.txt:1): top0 1.0 → part000 0.1"
    assert focus.locator(".reasons li").all_inner_texts() == [reason]
    # A line to each of them.
    focus.locator("path").nth(1).wait_for(state="attached")
    assert focus.locator("path").count() == 2
    page.go_back()
    shows(page, "top0 1.0")
    page.get_by_role("button", name="Back to what was asked for").press("Enter")
    shows(page, "What was asked for")
    page.locator("#packages").get_by_role("link", name="part009").first.press("Enter")
    shows(page, "part009 2.1")
    assert named(page) == "h3 part009 2.1"


def test_another_platform_is_shown_by_choice(look: Callable[..., Page]) -> None:
    page = look(small())
    choice = page.get_by_label("Show")
    assert choice.locator("option").all_inner_texts() == [
        *("small linux-64", "small osx-arm64", "newer linux-64")
    ]
    choice.focus()
    choice.select_option("newer linux-64")
    assert named(page) == "select Show"
    page.locator("#focus").get_by_role("button", name="top0").click()
    shows(page, "top0 1.0")
    assert page.locator("#focus").get_by_role("button", name="part000 0.2").is_visible()
    # Where another one does not have it, the first that does is shown.
    page.get_by_role("link", name="part000").first.click()
    shows(page, "part000 0.1")
    assert choice.input_value() == "0"


def test_areas_are_walked_by_arrows_and_opened_by_enter(look: Callable[..., Page]) -> None:
    page = look(seen(one=drawn(12)))
    page.locator("#treemap g").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert named(page) == "g part009, 81.0\u00a0kB, version 2.1"
    page.keyboard.press("ArrowLeft")
    assert named(page) == "g part010, 100.0\u00a0kB, version 3.1"
    page.keyboard.press("End")
    assert named(page) == "g part001, 1.0\u00a0kB, version 1.1"
    assert page.locator("#treemap g[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    shows(page, "part001 1.1")
    assert named(page) == "h3 part001 1.1"
    assert "Without 1\u00a0package of unknown size" in page.locator("#sizes").inner_text()
    areas = page.locator("#treemap rect").evaluate_all(
        "all => all.map(one => one.width.baseVal.value * one.height.baseVal.value)"
    )
    sizes = [1000 * number * number for number in range(11, 2, -1)] + [5000, 4000, 1000]
    assert areas == pytest.approx([sum(areas) * size / sum(sizes) for size in sizes], rel=0.01)


def test_colours_are_those_of_the_system_until_they_are_chosen(look: Callable[..., Page]) -> None:
    page = look(small(), color_scheme="dark")
    assert paper(page) == NIGHT
    page.get_by_role("button", name="Light colours").press("Enter")
    assert paper(page) == PAPER
    page.get_by_role("button", name="Dark colours").press("Space")
    assert paper(page) == NIGHT
    page.emulate_media(color_scheme="light")
    assert paper(page) == NIGHT


def test_paper_is_light_and_has_no_buttons_around_the_tables(look: Callable[..., Page]) -> None:
    page = look(small(), color_scheme="dark")
    page.get_by_role("button", name="Light colours").click()
    page.get_by_role("button", name="Dark colours").click()
    page.emulate_media(media="print")
    assert paper(page) == PAPER
    for hidden in ("#tools", "nav", ".skip"):
        assert page.locator(hidden).is_hidden()
    assert page.locator("#packages table").is_visible()
    page.locator("#treemap g").first.wait_for()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_five_hundred_packages(look: Callable[..., Page]) -> None:
    view = seen(big=drawn(500, platforms=("linux-64", "osx-arm64")), newer=drawn(500, newer=90))
    page = look(view)
    areas = page.locator("#treemap g")
    areas.last.wait_for(state="attached")
    assert areas.count() == 500
    assert len(column(page, "Packages", 1)) == 591
    focus = page.locator("#focus")
    focus.get_by_role("button", name="top0").click()
    shows(page, "top0 1.0")
    # Not more than one can look at, and all of them for who asks.
    assert focus.locator(".after button.package").count() == 12
    focus.get_by_role("button", name="28 more").press("Enter")
    assert focus.locator(".after button.package").count() == 40
    assert named(page) == "button part012 5.1"
    assert focus.locator("path").count() == 40
    page.get_by_label("Find").fill("part499")
    assert column(page, "Packages", 1) == ["part499"]


def test_an_environment_of_nothing_and_packages_in_a_circle(look: Callable[..., Page]) -> None:
    page = look(seen(nothing=without_packages(), circle=circle()))
    assert page.locator("#treemap g").count() == 0
    page.get_by_label("Show").select_option("circle linux-64")
    page.locator("#focus").get_by_role("button", name="one 1").click()
    shows(page, "one 1")
    here = page.locator("#focus .here").inner_text()
    assert "With all that it needs: 2\u00a0packages, 3.0\u00a0kB" in here
    assert page.locator("#focus .reasons").inner_text() == "conda one: one 1"
    assert page.locator("#focus .before button").all_inner_texts() == ["two 1"]


def test_what_has_no_size_takes_no_room(look: Callable[..., Page]) -> None:
    page = look(seen(unsized=drawn(1), sized=drawn(4)))
    here = page.locator("#focus .here")
    assert here.inner_text() == "2\u00a0packages, 5.0\u00a0kB+"
    page.get_by_role("link", name="part000").first.click()
    shows(page, "part000 0.1")
    assert "With all that it needs: 1\u00a0package, 0\u00a0B+" in here.inner_text()
    page = look(seen(nothing=without_packages(), sized=drawn(4)))
    treemap = page.locator("#treemap")
    assert treemap.evaluate("one => one.clientHeight") == 0
    page.get_by_label("Show").select_option("sized linux-64")
    page.locator("#treemap g").first.wait_for()
    assert treemap.evaluate("one => one.clientHeight") > 300


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_a_window_of_any_width_is_enough(look: Callable[..., Page], width: int) -> None:
    page = look(small(), viewport={"width": width, "height": 700})
    page.locator("#focus").get_by_role("button", name="top0").click()
    shows(page, "top0 1.0")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 500, "height": 700})
    page.wait_for_function("document.getElementById('treemap').viewBox.baseVal.width < 500")
    # What is wider than the window is scrolled by itself, by keys too.
    boxes = page.locator(".scroll").evaluate_all(
        "all => all.filter(one => (one.scrollWidth > one.clientWidth) !== (one.tabIndex === 0)).length"
    )
    assert boxes == 0


def below_the_tools(page: Page, selector: str) -> bool:
    """Whether an element is seen, and not behind what stays at the top of the window."""
    edges: list[float] = page.evaluate(
        """selector => [
          document.getElementById("tools").getBoundingClientRect().bottom,
          document.querySelector(selector).getBoundingClientRect().top,
          innerHeight,
        ]""",
        selector,
    )
    return edges == sorted(edges)


@pytest.mark.parametrize("width", [360, 1600])
def test_what_is_gone_to_is_not_behind_the_tools(look: Callable[..., Page], width: int) -> None:
    page = look(small(), viewport={"width": width, "height": 600}, reduced_motion="reduce")
    page.get_by_role("link", name="part009").first.click()
    shows(page, "part009 2.1")
    assert below_the_tools(page, "#look-title")
    page.get_by_role("navigation").get_by_role("link", name="Packages").click()
    page.wait_for_function("location.hash === '#packages'")
    assert below_the_tools(page, "#packages-title")


def test_rows_stay_low_in_a_narrow_window(look: Callable[..., Page]) -> None:
    licence = "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0"
    page = look(seen(licence, one=drawn(12)), viewport={"width": 360, "height": 700})
    rows = page.locator("#packages tbody tr").evaluate_all(
        "all => all.map(one => one.offsetHeight)"
    )
    assert max(rows) <= 60  # two lines


def test_drawings_say_which_environment_they_are_of(look: Callable[..., Page]) -> None:
    page = look(small())
    page.get_by_label("Show").select_option("newer linux-64")
    page.wait_for_function("location.hash === '#2/'")
    page.emulate_media(media="print")
    for section in ("#look", "#sizes"):
        whose = page.locator(section).get_by_text("newer linux-64, one of 3")
        assert whose.is_visible()
    assert look(seen(one=drawn(3))).get_by_text("one of 1").count() == 0


@pytest.mark.parametrize(("width", "size"), [(180, "100%"), (360, "200%")])
def test_large_letters_stay_in_a_narrow_window(
    look: Callable[..., Page], width: int, size: str
) -> None:
    page = look(small(), viewport={"width": width, "height": 700})
    page.evaluate("size => { document.documentElement.style.fontSize = size }", size)
    page.locator("#focus").get_by_role("button", name="top0").click()
    shows(page, "top0 1.0")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_texts_of_packages_never_run(look: Callable[..., Page]) -> None:
    text = "</script></style><img src=x onerror=alert(1)><script>alert(2)</script>\n<svg onload=alert(3)>"
    page = look(seen(licence=text, **{f"<b>{text}": drawn(3)}))
    page.get_by_role("link", name="part001").first.click()
    shows(page, "part001 1.1")
    assert "<img src=x onerror=alert(1)>" in page.locator("#focus .here").inner_text()
    assert page.locator("img, main script, b").count() == 0
    assert page.locator("#licences pre").first.text_content() == text


def test_without_scripts_all_but_the_drawings_is_there(look: Callable[..., Page]) -> None:
    page = look(small(), java_script_enabled=False)
    assert len(column(page, "Packages", 1)) == 16
    assert page.get_by_text("which does not run here").is_visible()
    assert page.locator("#pictures").is_hidden()
    assert page.locator("#tools").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_against_it(look: Callable[..., Page], scheme: str) -> None:
    """The checks of https://github.com/dequelabs/axe-core, those for good practice included."""
    axe = os.environ.get("MFENV_AXE")
    if not axe:
        pytest.skip("MFENV_AXE names no `axe.min.js` of axe-core, from npm")
    page = look(small(), color_scheme=scheme, bypass_csp=True)
    page.locator("#focus").get_by_role("button", name="top0").click()
    shows(page, "top0 1.0")
    page.evaluate(Path(axe).read_text())
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    violations = [
        (one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]
    ]
    assert violations == []
