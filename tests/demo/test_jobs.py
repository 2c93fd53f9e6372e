"""Jobs run in turn, and leave nothing behind."""

import re
import time

import numpy as np
import pytest

from lipsync.demo.tabs import SILENT
from lipsync.dubbing.pipeline import generator_name
from lipsync.media import probe
from lipsync.translation.engines import hibari


def test_a_dub_from_its_uploads_to_its_video(page, media):
    state = page.dub(media).json()
    assert len(page.files()) >= 2  # the uploads
    state = page.wait(state["job"])
    assert state["state"] == "done", state
    (video,) = state["result"]["videos"]
    assert (video["model"], video["seconds"]) == ("wav2lip-gan-grid", 1.0)
    assert video["faces"] == video["frames"] == 25
    (made,) = page.files()  # the uploads are gone
    assert probe(made).has_audio
    assert generator_name(made) == "wav2lip-gan-grid"
    answer = page.client.get(page.own(f"/files/{video['file']}"), headers={"range": "bytes=0-99"})
    assert (answer.status_code, len(answer.content)) == (206, 100)
    assert answer.headers["content-type"] == "video/mp4"


def test_the_watermark_is_there_unless_it_is_turned_off(page, media, monkeypatch):
    from lipsync.dubbing import dub

    marks = []

    def seen(*paths, watermark, **options):
        marks.append(watermark)
        return dub(*paths, watermark=watermark, **options)

    monkeypatch.setattr("lipsync.demo.dubs.dub", seen)
    for wanted in ({}, {"watermark": "no"}, {"watermark": False}):
        page.wait(page.dub(media, **wanted).json()["job"])
    assert marks == ["AI-generated", "AI-generated", None]


def test_two_models_give_two_videos_of_one_input(page, media):
    models = ["wav2lip-gan-grid", "lipscode-open"]
    compare = {"do": "compare", "models": models}
    assert (
        "two different" in page.dub(media, **compare | {"models": models[:1] * 2}).json()["error"]
    )
    assert "two models" in page.dub(media, **compare | {"models": models[:1]}).json()["error"]
    assert not page.files()  # uploads of a refused job are deleted at once
    face = page.upload(media / "head.png", "face")
    state = page.wait(page.dub(media, **compare, face=face).json()["job"])
    assert [video["model"] for video in state["result"]["videos"]] == models
    assert len(page.files()) == 3  # including the unused head


def test_a_score_has_its_curve_and_with_the_real_video_the_leakage(page, media):
    video = page.upload(media / "head.mp4", "video")
    real = page.upload(media / "head.mp4", "video")
    asked = page.ask(do="score", video=video, real=real, judge="syncnet-open").json()
    state = page.wait(asked["job"])
    assert state["state"] == "done", state
    found = state["result"]
    assert len(found["offsets"]) == len(found["curve"]) == 31
    assert found["curve"][found["offsets"].index(found["offset"])] == min(found["curve"])
    assert found["distance"] == pytest.approx(min(found["curve"]), abs=1e-3)
    assert len(found["times"]) == len(found["confidences"]) == found["windows"]
    assert np.diff(found["times"]) == pytest.approx(0.04)
    rows = {row["name"]: row for row in found["leakage"]}
    assert rows["motion share"]["dub"] == rows["motion correlation"]["dub"] == 1.0  # with itself
    assert rows["old speech"]["dub"] == rows["new speech"]["dub"] == rows["new speech"]["real"]
    assert not page.files()


def test_a_text_is_spoken_where_an_engine_is_installed(page, media, monkeypatch):
    asked = {"text": "Hello.", "language": "en", "sound": None}
    monkeypatch.setattr(hibari.Hibari, "missing", classmethod(lambda cls: "pip install it"))
    monkeypatch.setattr("lipsync.demo.voices.ENGINES", (hibari.Hibari,))
    assert "No installed voice" in page.dub(media, **asked).json()["error"]
    monkeypatch.setattr(hibari.Hibari, "missing", classmethod(lambda cls: ""))
    monkeypatch.setattr(hibari.Hibari, "__init__", lambda self, model, device: None)
    said = []

    def speak(self, text, language):
        said.append((text, language))
        return np.full(16_000, 0.1, np.float32), 16_000

    monkeypatch.setattr(hibari.Hibari, "speak", speak)
    assert "The text is empty" in page.dub(media, **asked | {"text": " "}).json()["error"]
    assert "501 characters" in page.dub(media, **asked | {"text": "a" * 501}).json()["error"]
    state = page.wait(page.dub(media, **asked).json()["job"])
    assert state["state"] == "done", state
    assert said == [("Hello.", "en")]
    assert state["result"]["videos"][0]["seconds"] == 1.0
    monkeypatch.setattr(hibari.Hibari, "speak", lambda *_: (np.zeros(61 * 16_000), 16_000))
    state = page.wait(page.dub(media, **asked).json()["job"])
    assert state["error"] == "The sound is longer than the limit of 60 s; shorten it."


def test_the_second_waits_for_the_first_and_each_can_be_cancelled(page, media, held):
    first, second = page.dub(media).json()["job"], page.dub(media).json()["job"]
    assert held.started.wait(10)
    assert page.wait(first, "running")["total"] in (None, 10)
    assert (page.state(second)["state"], page.state(second)["ahead"]) == ("waiting", 0)
    third = page.dub(media).json()
    assert third["ahead"] == 1
    assert page.dub(media).status_code == 429  # one page must not fill the queue
    assert page.client.delete(page.own(f"/jobs/{second}")).json()["state"] == "cancelled"
    assert page.state(third["job"])["ahead"] == 0
    page.client.delete(page.own(f"/jobs/{first}"))
    assert page.wait(first)["state"] == "cancelled"
    page.client.delete(page.own(f"/jobs/{third['job']}"))
    assert page.wait(third["job"])["state"] == "cancelled"
    assert not page.files()


def test_two_pages_do_not_see_each_other(page, media, held):
    other = type(page)(page.client, page.demo)
    job = page.dub(media).json()["job"]
    assert held.started.wait(10)
    assert other.client.get(other.own(f"/jobs/{job}")).status_code == 404
    upload = page.upload(media / "speech.wav", "sound")
    face = other.upload(media / "head.mp4", "face")
    asked = other.ask(do="dub", model="wav2lip-gan-grid", consent=True, face=face, sound=upload)
    assert "has been deleted" in asked.json()["error"]
    assert other.dub(media).json()["ahead"] == 0


def test_an_error_of_ours_is_a_sentence_without_its_secrets(page, media, held):
    held.go.set()
    state = page.wait(page.dub(media).json()["job"])
    assert state["state"] == "failed"
    assert state["error"] == "Something went wrong on the server; its log says what."


def test_a_closed_page_leaves_no_files_and_ends_its_job(page, media, held):
    job = page.dub(media).json()["job"]
    assert held.started.wait(10)
    other = type(page)(page.client, page.demo)
    kept, tab = other.upload(media / "head.png", "face"), page.demo.tabs.get(page.tab)
    assert page.client.post(page.own("/close")).status_code == 204
    assert page.client.get(page.own(f"/jobs/{job}")).status_code == 410
    until = time.monotonic() + 10
    while any(path.stem != kept for path in page.files()) or page.demo.jobs.busy(tab):
        assert time.monotonic() < until, page.files()
        time.sleep(0.02)
    assert page.send(media / "head.png", "face").status_code == 410


def test_silent_pages_and_old_files_are_swept_away(open_demo, media):
    page = open_demo(keep_minutes=1)
    tabs, now = page.demo.tabs, [0.0]
    tabs._clock = lambda: now[0]
    tabs.get(page.tab)
    name = page.upload(media / "speech.wav", "sound")
    now[0] = 59
    tabs.sweep()
    assert [path.stem for path in page.files()] == [name]
    now[0] = 130
    tabs.get(page.tab)  # the tab is alive, but the file has expired
    tabs.sweep()
    assert not page.files()
    assert page.client.post(page.own("/alive")).status_code == 204
    now[0] += SILENT + 1
    tabs.sweep()
    assert page.client.post(page.own("/alive")).status_code == 410
    assert not list(tabs.folder.iterdir())


def test_the_end_of_the_server_leaves_nothing(open_demo, media, held):
    page = open_demo()
    folder = page.demo.tabs.folder
    page.dub(media)
    assert held.started.wait(10)
    assert folder.stat().st_mode & 0o077 == 0  # accessible to this user only
    page.demo.end()
    assert not folder.exists()


def test_messages_name_no_path(page, media):
    face = page.upload(media / "noface.mp4", "face")
    sound = page.upload(media / "speech.wav", "sound")
    asked = page.ask(do="dub", model="wav2lip-gan-grid", consent=True, face=face, sound=sound)
    state = page.wait(asked.json()["job"])
    assert state["state"] == "failed"
    assert state["error"].startswith("The video or picture: no face found in 25 frames; use a")
    assert not re.search(r"/tmp|lipsync-demo|\.mp4", state["error"])
    assert not page.files()
