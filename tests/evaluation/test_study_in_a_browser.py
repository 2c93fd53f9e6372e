"""The page of a study in Chromium, from a file: by keyboard and mouse, wide and narrow."""

import json
import shutil
from io import BytesIO

import numpy as np
import pytest
from evaluation_media import FixedDetector, expert
from PIL import Image

from lipsync.evaluation import bench
from lipsync.evaluation.benchmark.people import read_answers
from lipsync.media import VideoWriter, write_audio

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
SIZE, FRAMES = (96, 80), 20
LEVELS = {"real": 60, "good": 130, "poor": 210}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """A study of two clips and two systems, each with its own brightness."""
    root, path = tmp_path_factory.mktemp("dubs"), tmp_path_factory.mktemp("out")
    rng = np.random.default_rng(0)
    (root / "sound").mkdir()
    for k in range(2):
        for kind, level in LEVELS.items():
            heard = 0.1 * rng.standard_normal(FRAMES * 640).astype(np.float32)
            wave = heard if kind == "real" else None
            with VideoWriter(root / kind / f"{k}.mp4", 25, SIZE, audio=wave, threads=1) as writer:
                for _ in range(FRAMES):
                    writer.write(np.full((*SIZE[::-1], 3), level, np.uint8))
        write_audio(root / "sound" / f"{k}.wav", heard)
    bench(root, path, judge=expert(), detector=FixedDetector(), study=True, trials=4)
    return path


@pytest.fixture
def open_study(output):
    """``open_study(width)``: the page, from its file; an error in it fails the test."""
    problems = []

    def failed(request):
        if request.failure != "net::ERR_ABORTED":  # a film that was loading at a reload
            problems.append(request.url)

    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def opened(width=1000, dark=False):
            page = browser.new_page(
                viewport={"width": width, "height": 800},
                color_scheme="dark" if dark else "light",
            )
            page.set_default_timeout(30_000)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("requestfailed", failed)
            page.goto((output / "study" / "index.html").as_uri())
            return page

        yield opened
        browser.close()
    assert not problems


def begin(page, person):
    page.fill("[name=person]", person)
    page.keyboard.press("Enter")
    page.wait_for_selector("#pair:not([hidden])")


def play(page):
    page.keyboard.press("Space")
    page.wait_for_selector("[data-answer=left]:not([disabled])")


def level(page, side):
    """The brightness in the middle of a canvas, from a screenshot."""
    shot = Image.open(BytesIO(page.locator("canvas").nth(side).screenshot())).convert("L")
    return shot.getpixel((shot.width // 2, shot.height // 2))


@pytest.mark.parametrize("width", [1000, 400])
def test_by_keyboard(open_study, output, tmp_path, width):
    page = open_study(width)
    begin(page, "Ann B/c")
    brightest = []
    for number in range(4):
        assert page.inner_text("#progress") == f"Pair {number + 1} of 4"
        page.keyboard.press("ArrowLeft")  # ignored until the pair has been played
        assert page.inner_text("#question") == "Which is better lip-synced?"
        play(page)
        one, two = level(page, 0), level(page, 1)
        assert abs(one - two) > 40
        brightest.append("ArrowLeft" if one > two else "ArrowRight")
        page.keyboard.press(brightest[-1])
        assert page.inner_text("#question") == "Which looks more natural?"
        page.keyboard.press("ArrowDown")
    assert len(set(brightest)) == 2  # sides change
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    with page.expect_download() as saved:
        page.click("#end .save")
    assert saved.value.suggested_filename == "answers-Ann_B_c.json"
    saved.value.save_as(tmp_path / "answers.json")
    people = read_answers([tmp_path / "answers.json"], output)
    assert people.persons == ["Ann B/c"]
    synced = people.answers_to("sync")
    assert len(synced) == 4
    order = ["old video, new sound", "good", "poor"]
    for answer in synced:  # the brighter one was preferred
        assert answer.preference == (order.index(answer.first) > order.index(answer.second))
    assert {answer.preference for answer in people.answers_to("natural")} == {0.5}


def test_by_mouse_and_on_after_a_reload(open_study):
    page = open_study()
    begin(page, "Bea")
    page.click("#play")
    page.click("[data-answer=left]")
    page.click("[data-answer=right]")
    assert page.inner_text("#progress") == "Pair 2 of 4"
    page.click("#back")
    assert page.inner_text("#question") == "Which looks more natural?"
    page.click("[data-answer=same]")
    page.reload()
    begin(page, "Bea")
    assert page.inner_text("#progress") == "Pair 2 of 4"
    with page.expect_download() as saved:
        page.click("#pair .save")
    told = json.loads(saved.value.path().read_text())
    assert [(a["question"], a["answer"]) for a in told["answers"]] == [
        ("sync", "left"),
        ("natural", "same"),
    ]


def test_people_see_pairs_in_orders_of_their_own(open_study):
    page = open_study()
    order = "name => drawn(name).map(({film, left, right}) => film + left + right).join()"
    orders = [page.evaluate(order, name) for name in ("Ann", "Ann", "Bea", "Cy")]
    assert orders[0] == orders[1]
    assert len(set(orders)) == 3
    sides = page.evaluate(
        "[...Array(200).keys()].map(n => drawn(`${n}`).filter(t => t.left > t.right).length)"
    )
    assert set(sides) == {2}  # of four
