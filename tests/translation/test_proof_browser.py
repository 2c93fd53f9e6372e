"""The proof-reading page in Chromium, from a file: lines are played, corrected, and saved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from translation_media import DUBBED, Beeps, engines, make_talk

from lipsync.translation import translate, translate_with_page

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]


@pytest.fixture(scope="module")
def proof(tmp_path_factory) -> tuple[Path, object, Beeps]:
    """A page with a talk and its dub, the options of the translation, and its speech engine."""
    folder = tmp_path_factory.mktemp("proof")
    video = make_talk(folder / "talk #1.mp4")
    options, *_, spoken = engines(until="lips")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "lipsync.dubbing.dub",
            lambda face, _, output, **__: shutil.copy(face, output) and DUBBED,
        )
        translate_with_page(folder / "out.html", ["lipsync"], video, folder / "out.mp4", options)
    return folder / "out.html", options, spoken


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(chromium, path: Path, width: int = 1200):
    page = chromium.new_context(viewport={"width": width, "height": 800}).new_page()
    page.set_default_timeout(120_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(request.url))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.goto(path.as_uri())
    return page, problems


def test_a_line_is_corrected_saved_and_made_again(chromium, proof, tmp_path) -> None:
    path, options, spoken = proof
    page, problems = opened(chromium, path)
    assert page.locator(".status").inner_text() == "Nothing is changed."
    assert page.locator(".main").is_disabled()
    page.locator("textarea[name=text]").nth(1).fill("¿Qué   tal? </textarea>\n“bien”")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.ariaLabel") == "Line 3, Spanish"
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    assert page.evaluate("document.activeElement.ariaLabel") == "Line 1, Spanish"
    page.locator("textarea[name=source]").nth(2).fill("thanks")
    assert page.locator(".changed").count() == 2
    assert "changed, speed about" in page.locator("tr[data-line='2']").inner_text()
    assert page.locator(".status").inner_text() == "2 lines are changed."
    assert "--correct" in page.locator("pre").inner_text()
    with page.expect_download() as download:
        page.keyboard.press("Control+s")
    assert download.value.suggested_filename == "out.corrections.json"
    assert page.locator(".status").inner_text().startswith("Saved as out.corrections.json;")
    saved = tmp_path / "corrections.json"
    download.value.save_as(saved)
    new = "¿Qué tal? </textarea> “bien”"
    assert json.loads(saved.read_text(encoding="utf-8")) == {
        "to": "es",
        "lines": [
            {"line": 2, "text": "uoy era woh", "new_text": new},
            {"line": 3, "source": "thank you", "new_source": "thanks"},
        ],
    }
    assert not problems
    folder, before = path.parent, len(spoken.seen)
    result = translate(
        folder / "talk #1.mp4",
        folder / "out.mp4",
        replace(options, correct=saved, until="speak"),
    )
    assert spoken.seen[before:] == [new, "sknaht"]
    assert result.lines[0][3] == "gninrom doog"


def test_the_speed_of_a_new_line_is_one_that_it_can_have(chromium, proof) -> None:
    page, _ = opened(chromium, proof[0])
    for text, expected in (("si", "speed about 0.90"), ("a" * 60, ": too long")):
        page.locator("textarea[name=text]").nth(1).fill(text)
        assert expected in page.locator("tr[data-line='2']").inner_text()


def test_a_picture_has_no_bars_on_a_phone(chromium, proof) -> None:
    page, _ = opened(chromium, proof[0], 400)
    page.set_viewport_size({"width": 400, "height": 1600})
    page.wait_for_function("document.querySelector('video').videoWidth")
    box = page.locator("video").first.bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1)  # square, like the video


@pytest.mark.parametrize("width", [1200, 400])
def test_a_line_is_played(chromium, proof, width) -> None:
    page, problems = opened(chromium, proof[0], width)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    at = "[...document.querySelectorAll('video')].map((film) => [film.paused, film.currentTime])"
    page.locator("textarea[name=source]").nth(1).focus()
    page.keyboard.press("Control+Enter")
    page.wait_for_function("document.querySelectorAll('video')[1].currentTime > 2.1")
    page.wait_for_function("document.querySelectorAll('video')[1].paused")
    (dub, _), (_, end) = page.evaluate(at)
    assert dub
    assert 3.0 <= end < 4.5  # a slow machine notices the end late
    page.locator("button[data-film=text]").nth(2).click()
    page.wait_for_function("document.querySelectorAll('video')[0].currentTime > 3.5")
    page.keyboard.press("Escape")
    assert all(paused for paused, _ in page.evaluate(at))
    assert page.locator(".playing").count() == 0
    assert not problems
