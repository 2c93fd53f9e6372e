"""Requests that the demo refuses, each with a sentence and without leaving a file."""

from pathlib import Path

import forked
import pytest

from lipsync import cli
from lipsync.demo.messages import sentence
from lipsync.errors import ConfigError, MediaError

FOREIGN = "Requests from other sites are refused."


@pytest.mark.parametrize(
    ("file", "kind", "problem"),
    [
        (b"just some text", "face", "The video or picture: not a video or sound"),
        (b"", "sound", "The file is empty."),
        (b"#EXTM3U\n#EXTINF:9,\n/etc/motd\n", "video", "The video: not a video or sound"),
        ("speech.wav", "face", "The video or picture contains no video; choose another file."),
        ("head.png", "sound", "The sound is a picture; choose a file with sound."),
        ("silent.mp4", "sound", "The sound has no sound; choose a file with speech."),
        ("silent.mp4", "video", "The video has no sound; choose a file with speech."),
        ("head.mp4", "model", "Only a face, a sound or a video can be uploaded."),
    ],
)
def test_uploads_that_are_not_what_they_are_to_be(page, media, file, kind, problem):
    answer = page.send(media / file if isinstance(file, str) else file, kind)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(problem)
    assert not page.files()


def test_a_broken_video_is_refused_or_its_damage_is_named(page, media, tmp_path):
    whole = (media / "head.mp4").read_bytes()
    answer = page.send(whole[: whole.index(b"moov") + 40], "face")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The video or picture: ")
    assert not page.files()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: (whole.index(b"mdat") + len(whole)) // 2])
    state = page.wait(page.dub(media, face=page.upload(cut, "face")).json()["job"])
    assert state["state"] == "failed"
    assert state["error"].startswith("The video or picture: its video is damaged at about")


def test_what_is_too_large_or_too_long_is_refused(open_demo, media):
    page = open_demo(max_mb=1, max_seconds=1.5)
    said = page.send(b"x", "face", **{"content-length": "2000000000"})
    assert said.status_code == 413  # before it is read
    parts = (b"x" * 100_000 for _ in range(30))
    unsaid = page.client.post(page.own("/files?as=face"), content=parts)
    assert unsaid.status_code == 413
    assert "larger than 1 MB" in unsaid.json()["error"]
    for kind in ("face", "sound"):
        long = page.send(media / "head.mp4", kind)
        assert "is longer than the limit of 1.5 s" in long.json()["error"]
    assert not page.files()


def test_uploads_without_a_job_are_few(page, media):
    answers = [page.send(media / "head.png", "face").status_code for _ in range(9)]
    assert answers == [201] * 8 + [429]


@pytest.mark.parametrize("consent", [None, False, "true", 1])
def test_nobody_is_dubbed_without_consent(page, media, consent):
    for do, models in (("dub", {}), ("compare", {"models": ["wav2lip-gan-grid", "lipscode-open"]})):
        answer = page.dub(media, do=do, consent=consent, **models)
        assert answer.status_code == 400
        assert "consent" in answer.json()["error"]


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"model": "/etc/passwd"}, "does not offer that model"),
        ({"model": "judge-open"}, "does not offer that model"),
        ({"model": None}, "does not offer that model"),
        ({"face": "../../etc/passwd"}, "has been deleted"),
        ({"sound": ["x"]}, "has been deleted"),
        ({"which": "sync"}, "face must be one of"),
        ({"do": "train"}, "The task must be dub, compare or score."),
    ],
)
def test_jobs_that_cannot_be(page, media, wanted, problem):
    answer = page.dub(media, **wanted)
    assert answer.status_code in (400, 404)
    assert problem in answer.json()["error"]


def test_what_is_no_job_at_all(page):
    for body in (b"", b"[]", b"{", b"[" * 10_000, b'{"do":' + b"[" * 20_000):
        answer = page.client.post(page.own("/jobs"), content=body)
        assert answer.status_code in (400, 413)
        assert "The request" in answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"origin": "https://evil.example"}, FOREIGN),
        ({"origin": "null"}, FOREIGN),
        ({"origin": "http://127.0.0.1:9999"}, FOREIGN),
        ({"sec-fetch-site": "cross-site"}, FOREIGN),
        ({"sec-fetch-site": "same-site"}, FOREIGN),
        ({"host": "evil.example"}, "does not answer at this address"),
        ({"host": "192.168.0.7:7860"}, "does not answer at this address"),
        ({"host": ""}, "does not answer at this address"),
    ],
)
def test_other_sites_cannot_drive_it(page, headers, problem):
    for answer in (
        page.client.post("/api/tabs", headers=headers),
        page.client.get("/api/about", headers=headers),
    ):
        assert answer.status_code == 403
        assert problem in answer.json()["error"]


def test_the_page_itself_is_served_safely(page):
    for host in ("localhost:7860", "127.0.0.1", "[::1]:7860"):
        answer = page.client.get("/", headers={"host": host, "sec-fetch-site": "cross-site"})
        assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    own = {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}
    assert page.client.post("/api/tabs", headers=own).status_code == 201


def test_a_server_for_others_is_known_by_its_addresses(open_demo):
    page = open_demo(host="0.0.0.0")
    assert page.client.get("/", headers={"host": "192.168.0.7:7860"}).status_code == 200
    assert page.client.get("/", headers={"host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/etc/passwd", "/api/x"],
)
def test_no_path_leads_out(page, path):
    answer = page.client.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "There is nothing at this address."}


def test_a_tab_s_files_are_known_by_name_alone(page):
    for name in ("..%2f..%2fetc%2fpasswd", "x", "%00"):
        answer = page.client.get(page.own(f"/files/{name}"))
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--root", "."), "--root .: has no filelists/*.txt"),
        (("--runs", "nowhere"), "--runs nowhere: no such folder"),
        (("--max-mb", "0"), "--max-mb must be 1 to 100000"),
        (("--host", "no.such.host.invalid"), "cannot listen there"),
        (("--port", "0", "--device", "nowhere"), "device nowhere is not available"),
        (("--port", "0", "--model", "nowhere.safetensors"), "nowhere.safetensors: no such file"),
    ],
)
def test_options_that_cannot_work_end_the_command(tmp_path, monkeypatch, arguments, problem):
    monkeypatch.chdir(tmp_path)
    done = forked.run("-m", "lipsync", "demo", "--no-browser", *arguments)
    assert done.returncode == 2
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_extra_one_line_names_it(monkeypatch, capsys):
    monkeypatch.setattr("lipsync.demo.command.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said == (
        "error: lipsync demo needs starlette and uvicorn; install the extra: "
        "pip install -c constraints.txt -e '.[demo]'\n"
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MediaError("/x/y.mp4", "is empty", "copy it"), "The sound: is empty; copy it."),
        (MediaError("/x/z.mp4", "no folder /tmp/a-b/c"), "No folder c."),
        (ConfigError("/home/me/a.csv: cannot be read"), "A.csv: cannot be read."),
        (ConfigError("at 24000/1001 frames and/or 3 km/h"), "At 24000/1001 frames and/or 3 km/h."),
    ],
)
def test_sentences_have_no_paths(error, told):
    assert sentence(error, {Path("/x/y.mp4"): "The sound"}) == told
