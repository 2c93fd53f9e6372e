"""The WebRTC example: a synthetic client speaks, leaves, and another takes its place."""

import asyncio
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest
from dubbing_media import FixedDetector, make_video
from standins import Hearing

from lipsync.dubbing import LiveSession

EXAMPLE = Path(__file__).parents[2] / "experiments" / "live_webrtc"


@pytest.fixture
def example(monkeypatch):
    """serve.py and measure.py, connected locally."""
    for needed in ("aiortc", "uvicorn", "starlette"):
        pytest.importorskip(needed, reason="the extra live is not installed")
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import aioice.ice
    import measure
    import serve

    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])
    monkeypatch.setattr(measure, "EVERY", 0.8)
    yield serve, measure
    for name in ("serve", "measure"):
        sys.modules.pop(name)


def live_session(folder):
    video = make_video(folder / "face.mp4", 10)
    return LiveSession(video, model=Hearing(2), detector=FixedDetector(), match=False)


def test_what_is_said_is_seen_and_heard_by_one_client_after_another(tmp_path, example):
    serve, measure = example
    session = live_session(tmp_path)

    def spoken(came):
        """Whether a word, and as long a pause after it, arrive in sound and video."""
        loud = [measure.loud(wave, wave) for _, wave in came["audio"]]
        first = came["video"][0][1] if came["video"] else None
        seen = [measure.moved(picture, first) for _, picture in came["video"]]
        return max(loud, default=0) > 1000 and max(seen, default=0) > 3

    async def clients():
        live = serve.Live(session)
        left = await measure.talk(live.answer, spoken)
        came, displaced = [], asyncio.Event()
        waiting = asyncio.create_task(
            measure.talk(live.answer, lambda now: came.append(now) or displaced.is_set())
        )
        while not came or not came[0]["video"]:
            await asyncio.sleep(0.05)
        with pytest.raises(ValueError, match="no offer that sends sound"):
            await live.answer({"type": "offer", "sdp": "v=0", "client": "a"})
        last = await measure.talk(live.answer, spoken)
        displaced.set()
        _, stopped, _ = await waiting
        await live.close()
        return left, stopped, last

    left, stopped, last = asyncio.run(asyncio.wait_for(clients(), 60))
    assert stopped[-1][0] < last[1][0][0]
    for _, pictures, sound in (left, last):
        assert 1.5 * len(pictures) < len(sound) < 2.5 * len(pictures)  # 40 and 20 ms


def test_pictures_come_as_late_as_they_must(example, tmp_path):
    """Timed by the sound's clock, so that a busy machine makes no difference."""
    serve, measure = example
    talk, microphone = serve.Talk(live_session(tmp_path)), measure.Microphone()
    made = []
    for _ in range(100):
        heard = asyncio.run(microphone.recv())
        made += [(heard.pts + 320, each) for each in talk.hear(heard)]
    pictures = [(now, each) for now, each in made if isinstance(each, serve.VideoFrame)]
    sound = [(now, each) for now, each in made if isinstance(each, serve.AudioFrame)]
    late = [now / 16_000 - each.time for now, each in pictures]
    assert min(late) > 0.2
    assert max(late) < talk._session.latency + 0.02 + 0.01
    assert [each.pts for _, each in pictures] == [3600 * k for k in range(len(pictures))]
    assert [each.pts for _, each in sound] == [320 * k for k in range(2 * len(pictures))]


def test_the_page_answers_offers_and_refuses_what_is_none(tmp_path, example):
    testclient = pytest.importorskip("starlette.testclient", reason="httpx is not installed")
    serve, _ = example
    app = serve.app(serve.Live(live_session(tmp_path)), "127.0.0.1")
    with testclient.TestClient(app, base_url="http://127.0.0.1") as client:
        assert "page.js" in client.get("/").text
        assert "getUserMedia" in client.get("/page.js").text
        for wrong in ("{}", "[]", "no JSON", '{"type": "offer", "sdp": "v=0", "client": "a"}'):
            reply = client.post("/offer", content=wrong)
            assert reply.status_code == 400
            assert reply.json()["error"] == "no offer of WebRTC that sends sound"
        evil = client.post("/offer", content="{}", headers={"origin": "http://evil.example"})
        assert evil.status_code == 403


@pytest.mark.slow
def test_a_browser_shows_the_face_and_connects_again(tmp_path, example, monkeypatch):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium is installed")
    import uvicorn

    serve, _ = example
    live = serve.Live(live_session(tmp_path))
    with serve.listen("127.0.0.1", 0) as listening, playwright.sync_playwright() as started:
        config = uvicorn.Config(serve.app(live, "127.0.0.1"), log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        fakes = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        local = ["--no-sandbox", "--allow-loopback-in-peer-connection"]
        browser = started.chromium.launch(executable_path=chromium, args=[*local, *fakes])
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        first = browser.new_page()
        first.goto(address)
        first.get_by_role("button").click()
        until(first, "document.querySelector('video').currentTime > 1")
        talk = live._talk  # the server drops the connection: the page reconnects
        asyncio.run_coroutine_threadsafe(live.close(), talk.get_loop()).result(10)
        until(first, "document.querySelector('video').currentTime < 0.5")
        until(first, "document.querySelector('video').currentTime > 1")
        second = browser.new_page()
        second.goto(address)
        second.get_by_role("button").click()
        until(second, "document.querySelector('video').currentTime > 1")
        until(first, "document.querySelector('[role=status]').textContent.includes('somebody')")
        until(second, "document.querySelector('video').currentTime > 2")
        browser.close()
        server.should_exit = True
        thread.join(20)


def until(page, what, seconds=30):
    """Wait until a JavaScript expression holds; Playwright's own way needs eval in the page."""
    end = time.monotonic() + seconds
    while not page.evaluate(what):
        assert time.monotonic() < end, what
        page.wait_for_timeout(50)
