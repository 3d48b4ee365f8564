"""The page itself: one screen, every action named and by keyboard, contrast, zoom, paper, what others do."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving import change_case, enter, labels_on_disk, make_film_case, serving

from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.review import CaseMaps, Review, read_record


def test_one_screen_without_scrolling(browser, cohort: Path) -> None:
    with serving(cohort) as server:
        browser.resize(1366, 768)
        enter(browser, server)
        browser.press("n", "e")
        sizes = browser.js(
            "const d = document.documentElement, k = document.querySelector('.desk');"
            "return [d.scrollHeight, d.clientHeight, d.scrollWidth, d.clientWidth,"
            " k.scrollHeight, k.clientHeight]"
        )
        assert sizes[0] <= sizes[1] and sizes[2] <= sizes[3] and sizes[4] <= sizes[5]


def test_wheel_drag_and_sliders(browser, cohort: Path) -> None:
    with serving(cohort) as server:
        enter(browser, server)
        x, y = browser.centre()
        z = browser.js("return review.stage.z")
        browser.scroll(x, y, 120 if z == 0 else -120)
        browser.wait(lambda: browser.js("return review.stage.z") == (1 if z == 0 else z - 1))
        before = browser.js("return [review.stage.look.low, review.stage.look.high]")
        browser.drag([(x, y), (x + 80, y + 40)])
        after = browser.js("return [review.stage.look.low, review.stage.look.high]")
        assert after[1] - after[0] > 1.2 * (before[1] - before[0])
        assert sum(after) < sum(before)
        assert browser.js("return review.case.state.revision") == 0


def test_every_action_has_a_name_and_a_key(browser, cohort: Path) -> None:
    with serving(cohort) as server:
        enter(browser, server)
        assert browser.js(NAMELESS) == []
        keys = {element.get_attribute("aria-keyshortcuts") for element in browser.all("[aria-keyshortcuts]")}
        assert {*"NPKTFEZHLOYC01234", "Shift+Z"} <= keys


NAMELESS = """
const named = (e) => e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length;
return [...document.querySelectorAll('button, select, input, canvas[tabindex]')]
  .filter((e) => e.offsetParent && !named(e)).map((e) => e.outerHTML);
"""


def test_painting_by_keyboard_alone(browser, cohort: Path) -> None:
    with serving(cohort) as server:
        enter(browser, server)
        name = browser.js("return review.case.name")
        before = labels_on_disk(cohort / name)
        browser.press("n", "e", "4", "", "", " ")  # brush, class 4, right, down, paint
        browser.settled()
        after = labels_on_disk(cohort / name)
        assert (after[after != before] == 4).all() and (after != before).any()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough(scheme: str, browser, cohort: Path) -> None:
    """AA of WCAG: 4.5 to 1 for every text against what lies behind it."""
    with serving(cohort) as server:
        browser.prefer(scheme)
        enter(browser, server)
        pairs = browser.js(CONTRAST)
    browser.prefer("light")
    assert len(pairs) > 30
    poor = [(text, ratio) for text, ratio in pairs if ratio < 4.5]
    assert not poor


CONTRAST = """
const share = (n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, part, n) => sum + part * share(c[n] / 255), 0);
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (e) => {
  for (let p = e; p; p = p.parentElement) {
    const c = parse(getComputedStyle(p).backgroundColor);
    if (c.length < 4 || c[3] > 0.99) return c;
  }
  return [255, 255, 255];
};
const found = [];
for (const e of document.querySelectorAll('header *, nav *, .tools *, .desk *, #film *')) {
  const own = [...e.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own.length || !e.offsetParent || e.closest(':disabled') || e.matches('option')) continue;
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
  found.push([own[0].textContent.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
}
return found;
"""


def test_at_twice_the_size_everything_can_be_reached(browser, cohort: Path) -> None:
    with serving(cohort) as server:
        browser.resize(683, 384, 2.0)
        enter(browser, server)
        wide = browser.js(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide[0] <= wide[1]
        browser.press("k")
        browser.settled()
        assert browser.js("return review.case.state.revision") == 1
        browser.resize(1366, 768)


def test_someone_else_decided_meanwhile(browser, cohort: Path) -> None:
    with serving(cohort) as server:
        enter(browser, server)
        name = browser.js("return review.case.name")
        other = Review(CaseMaps.of(read_case(cohort / name)), "Slicer")
        other.flag(len(other.items) - 1)
        other.release()
        browser.press("k")
        browser.wait(lambda: "Slicer: flagged" in browser.text("message"))
        browser.wait(lambda: browser.js("return review.case.state.revision") == 1)
        assert len(read_record(cohort / name).events) == 1


def test_without_a_session_the_page_says_what_to_do(browser, cohort: Path) -> None:
    with serving(cohort) as server:
        browser.driver.get(server.address)
        browser.wait(lambda: "address that the terminal shows" in browser.text("entrance-text"))
        browser.complaints()  # the refusal is in the console, as it should be


def test_the_page_on_paper(browser, cohort: Path) -> None:
    with serving(cohort) as server:
        enter(browser, server)
        browser.press("k")
        browser.settled()
        browser.js("window.dispatchEvent(new Event('beforeprint'))")
        paper = browser.js("return document.getElementById('print-page').textContent")
        slices = browser.js("return review.case.size[0]")
        assert browser.js("return document.querySelectorAll('#print-page canvas').length") == slices
        assert "Research use only" in paper and "kept" in paper and "1 of 3 decided" in paper


def test_verdict_and_reason_are_read_first(browser, cohort: Path) -> None:
    reason = "apex unsure, predicted Dice of infarct 0.61 (0.48-0.72)"
    change_case(cohort / "bea", verdict={"word": "check", "reason": reason})
    with serving(cohort) as server:
        enter(browser, server)
        assert "check" in browser.element("#cases").text
        browser.js("review.open(1)")
        browser.ready("bea")
        assert browser.text("verdict") == "check"
        assert browser.text("reason").startswith("apex unsure")
        lines = browser.js(  # beside a name that fills the list
            "const pill = document.querySelector('#cases .verdict');"
            "pill.parentElement.firstChild.textContent = 'a_very_long_name_of_a_patient_ED';"
            "const r = document.createRange(); r.selectNodeContents(pill); return r.getClientRects().length"
        )
        assert lines == 1, "a word is one piece"


def test_a_film_plays_and_results_stay_on_their_frame(browser, tmp_path: Path) -> None:
    out = make_film_case(tmp_path)
    with serving(out) as server:
        enter(browser, server)
        assert browser.text("frame-name") == "2 of 5, ED"
        own = browser.js("return review.stage.ownFrame")
        browser.press(" ")
        browser.wait(lambda: browser.js("return review.film.frames.filter(Boolean).length") == 5)
        frames = browser.js("return review.film.frames.map((f) => f[1000])")
        browser.press(" ")
        browser.wait(lambda: browser.js("return review.stage.ownFrame"))
        assert own and len(set(frames)) == 5
        assert browser.text("frame-name") == "2 of 5, ED"
