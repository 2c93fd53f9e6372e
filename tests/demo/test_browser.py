"""The page in Chromium: every tab, by mouse and by keyboard, wide and 400 pixels wide."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from lipsync.demo.app import Demo
from lipsync.demo.server import listen, make_server
from lipsync.demo.settings import Settings
from lipsync.media import write_audio

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
]
SIZES = pytest.mark.parametrize("width", [1200, 400])


def beep(path: Path) -> None:
    """Half a second of sound."""
    write_audio(path, np.sin(np.arange(8000) / 5).astype(np.float32))


@pytest.fixture(scope="module")
def demo(prepared, tmp_path_factory) -> Iterator[tuple[Demo, str]]:
    """The address of a running demo with a set and a training run."""
    runs = tmp_path_factory.mktemp("runs")
    (runs / "wav2lip" / "csv" / "version_0").mkdir(parents=True)
    (runs / "wav2lip" / "pictures").mkdir()
    rows = [f"{step},{1 / (1 + step)},{'' if step % 20 else 0.5}" for step in range(0, 200, 5)]
    text = "\n".join(["step,train/loss,val/loss", *rows]) + "\n"
    (runs / "wav2lip" / "csv" / "version_0" / "metrics.csv").write_text(text)
    for batch in (100, 200):
        sheet = np.full((60, 90, 3), batch, np.uint8)
        cv2.imwrite(str(runs / "wav2lip" / "pictures" / f"sheet-{batch:07d}.png"), sheet)
    settings = Settings(root=str(prepared), runs=str(runs), port=0, max_mb=5, max_seconds=5)
    listening = listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    patch = pytest.MonkeyPatch()  # a voice engine, whatever is installed
    for place in ("job_requests", "voices"):
        patch.setattr(f"lipsync.demo.{place}.spoken_languages", lambda: {"en": "English"})
    patch.setattr("lipsync.demo.dubs.speak_to_file", lambda text, language, path, _: beep(path))
    demo = Demo(settings)
    server = make_server(demo, address, browser=False)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield demo, address
    server.should_exit = True
    thread.join(20)
    listening.close()
    patch.undo()
    assert not demo.tabs.folder.exists()


@pytest.fixture(scope="module")
def chromium(media, tmp_path_factory) -> Iterator[object]:
    """A browser whose camera shows the head, and whose microphone beeps."""
    head = tmp_path_factory.mktemp("camera") / "head.mjpeg"
    picture = cv2.imread(str(media / "head.png"))
    head.write_bytes(b"".join(cv2.imencode(".jpg", picture)[1].tobytes() for _ in range(25)))
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={head}",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, demo) -> Iterator[object]:
    """``open_page(width)``: the loaded page; any error that it logs fails the test."""
    contexts, problems, choosers = [], [], []

    def failed(request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a cancelled upload
            problems.append(request.url)

    def opened(width: int = 1200, devices: bool = False):
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            permissions=["camera", "microphone"] if devices else [],
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", failed)
        # set early: just before a click, Chromium may still open its own dialogue
        page.on("filechooser", lambda chooser: choosers.append(chooser))
        page.on(
            "console", lambda said: problems.append(said.text) if said.type == "error" else None
        )
        page.goto(demo[1])
        page.wait_for_selector("body[data-ready]")
        problems.clear()
        return page

    opened.problems, opened.choosers = problems, choosers
    yield opened
    for context in contexts:
        context.close()


def until(page, what: str, seconds: float = 30) -> None:
    """Wait until a JavaScript expression holds; Playwright's own way needs eval in the page."""
    end = time.monotonic() + seconds
    while not page.evaluate(what):
        assert time.monotonic() < end, what
        page.wait_for_timeout(50)


def fits(page) -> bool:
    """Whether nothing overflows the page's right edge."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def choose(page, panel: str, *files: Path) -> None:
    page.click(f"#tab-{panel}")
    for number, file in enumerate(files):
        page.locator(f"#{panel} input[type=file]").nth(number).set_input_files(file)


def outcome(page, panel: str) -> str:
    """The outcome of a job: the text of its result, or the error."""
    page.wait_for_selector(f"#{panel} .result > *, #{panel} .job .problem")
    return (
        page.locator(f"#{panel} .job").inner_text() + page.locator(f"#{panel} .result").inner_text()
    )


@SIZES
def test_dub(open_page, media, width):
    page = open_page(width)
    choose(page, "dub", media / "head.mp4", media / "speech.wav")
    page.click("#dub .main")
    assert "Tick the consent box" in outcome(page, "dub")
    page.check("#dub [name=consent]")
    page.click("#dub .main")
    assert "a face in every frame" in outcome(page, "dub")
    until(page, "document.querySelector('#dub .result video').duration > 0.9")
    with page.expect_download() as saved:
        page.click("#dub .result a")
    assert saved.value.suggested_filename == "dub-lipscode-open.mp4"
    assert fits(page)
    assert not open_page.problems


@SIZES
def test_compare(open_page, media, width):
    page = open_page(width)
    choose(page, "compare", media / "head.png", media / "speech.wav")
    page.check("#compare [name=consent]")
    page.click("#compare .main")
    assert "wav2lip-gan-grid" in outcome(page, "compare")
    second = page.locator("#compare .wipe video").nth(1)
    assert "50%" in second.evaluate("video => video.style.clipPath")
    page.focus("#compare [type=range] >> nth=0")
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    assert "45%" in second.evaluate("video => video.style.clipPath")
    box = page.locator("#compare .wipe").bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"])
    assert "80%" in second.evaluate("video => video.style.clipPath")
    page.click("#compare .result button")
    until(page, "document.querySelector('#compare .wipe video').ended")
    apart = "([a, b]) => Math.abs(a.currentTime - b.currentTime)"
    page.wait_for_timeout(300)
    assert page.locator("#compare .wipe video").evaluate_all(apart) < 0.05
    assert fits(page)
    assert not open_page.problems


@SIZES
def test_score(open_page, media, width):
    page = open_page(width)
    choose(page, "score", media / "head.mp4", media / "head.mp4")
    page.select_option("#score [name=judge]", "syncnet-open")
    page.click("#score .main")
    assert "What is left of the old mouth" in outcome(page, "score")
    charts = page.locator("#score figure svg[role=img]")
    assert charts.count() == 2
    assert charts.first.get_attribute("aria-label").startswith("Offset curve.")
    page.wait_for_selector("#score figure polyline")
    assert fits(page)
    assert not open_page.problems


@SIZES
def test_dataset(open_page, width):
    page = open_page(width)
    page.click("#tab-dataset")
    page.fill("#dataset [name=query]", "ben")
    until(page, "document.querySelector('#dataset .count').textContent === '1 clip'")
    page.click("#dataset .clips button")
    until(page, "document.querySelector('#dataset .clip img')?.naturalWidth === 576")
    assert "1.2" in page.locator("#dataset dl").inner_text()
    until(page, "document.querySelector('#dataset audio').duration > 1.1")
    assert fits(page)
    assert not open_page.problems


@SIZES
def test_training(open_page, width):
    page = open_page(width)
    page.click("#tab-training")
    page.wait_for_selector("#training figure polyline")
    assert page.locator("#training .count").inner_text() == "Up to step 195"
    assert "after 200 batches" in page.locator("#training .pictures").inner_text()
    page.focus("#training .pictures [type=range]")
    page.keyboard.press("ArrowLeft")
    assert "after 100 batches" in page.locator("#training .pictures").inner_text()
    assert fits(page)
    assert not open_page.problems


def test_all_by_keyboard(open_page, media):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "tab-dub"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.id") == "tab-training"
    page.keyboard.press("Home")
    files = iter((media / "head.mp4", media / "speech.wav"))

    def focused() -> str:
        return page.evaluate("(({type, name, className}) => `${type} ${name} ${className}`)"
                             "(document.activeElement)")  # fmt: skip

    pressed = 0
    while ".main" not in (here := focused().replace("submit  main", ".main")):
        if here.startswith("file"):
            page.keyboard.press("Space")
            end = time.monotonic() + 30
            while not open_page.choosers:
                assert time.monotonic() < end, "no dialogue was opened"
                page.wait_for_timeout(20)
            open_page.choosers.pop().set_files(next(files))
        if "consent" in here:
            page.keyboard.press("Space")
        page.keyboard.press("Tab")
        pressed += 1
        assert pressed < 60, here
    assert next(files, None) is None
    page.keyboard.press("Enter")
    page.wait_for_selector("#dub .job button")
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#dub .job').textContent === 'Cancelled.'")
    assert focused().startswith("submit")
    assert not open_page.problems


def test_camera_and_microphone(open_page):
    page = open_page(devices=True)
    for device, source in (("Camera", "face"), ("Microphone", "sound")):
        part = page.locator(f"#dub [data-picker={source}]")
        part.locator(f"[value={device}]").check()
        part.get_by_role("button", name=f"Turn {device.lower()} on").click()
        part.get_by_role("button", name="Record").click()
        page.wait_for_timeout(1500)
        part.get_by_role("button", name="Stop").click()
        part.locator(".preview > *").wait_for()
    page.check("#dub [name=consent]")
    page.click("#dub .main")
    assert "made in" in outcome(page, "dub")
    page.click("#dub :text('Turn camera on')")
    page.click("#dub button:text-is('Take a picture')")
    page.wait_for_selector("#dub .preview img")
    page.click("#dub .main")
    assert "made in" in outcome(page, "dub")
    assert not open_page.problems


def test_a_text_is_spoken(open_page, media):
    page = open_page()
    choose(page, "dub", media / "head.png")
    page.check("#dub [value=Text]")
    page.check("#dub [name=consent]")
    page.click("#dub .main")
    assert outcome(page, "dub") == "Write the text to speak."
    page.fill("#dub textarea", "Good morning.")
    page.select_option("#dub [aria-label='Language of the text']", "en")
    page.click("#dub .main")
    assert "By lipscode-open: 0.48 s" in outcome(page, "dub")
    assert not open_page.problems


def test_a_page_that_was_taken_for_gone_goes_on(open_page, demo, media):
    page = open_page()
    for token in list(demo[0].tabs._tabs):
        demo[0].tabs.close(token)
    choose(page, "dub", media / "head.png", media / "speech.wav")
    page.check("#dub [name=consent]")
    page.click("#dub .main")
    assert "a face in every frame" in outcome(page, "dub")


def test_no_microphone_is_a_sentence(open_page):
    page = open_page()
    page.check("#dub [value=Microphone]")
    page.click("#dub :text('Turn microphone on')")
    page.wait_for_selector("#dub .problem:text('choose a file')")


def test_what_is_wrong_is_said_in_the_page(open_page, media, tmp_path):
    page = open_page()
    page.check("#dub [name=consent]")
    page.click("#dub .main")
    assert outcome(page, "dub") == "Choose a video or picture first."
    for content, file, problem in (
        (b"text", "text.mp4", "The video or picture: not a video"),
        ((media / "noface.mp4").read_bytes(), "noface.mp4", "no face found in 25 frames"),
    ):
        (tmp_path / file).write_bytes(content)
        choose(page, "dub", tmp_path / file, media / "speech.wav")
        page.click("#dub .main")
        page.wait_for_selector(f"#dub .job .problem:text('{problem}')")
    (tmp_path / "large.mp4").write_bytes(bytes(6_000_000))
    page.locator("#dub input[type=file]").first.set_input_files(tmp_path / "large.mp4")
    page.wait_for_selector("#dub .problem:text('larger than 5 MB')")


def test_a_closed_page_takes_its_files_along(open_page, demo, media):
    tabs = demo[0].tabs
    page = open_page()
    before = set(tabs._tabs)
    page.reload()
    page.wait_for_selector("body[data-ready]")
    until = time.monotonic() + 10
    while before <= set(tabs._tabs):
        assert time.monotonic() < until, "the page did not say goodbye"
        time.sleep(0.05)
