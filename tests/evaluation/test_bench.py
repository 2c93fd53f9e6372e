"""The benchmark: systems between real videos and the worst baseline; findings and omissions."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_media import FixedDetector, bright_and_loud, expert

from lipsync.checkpoints import fingerprint, save_model
from lipsync.dubbing import pipeline
from lipsync.errors import ConfigError, LipsyncError
from lipsync.evaluation import Row, bench
from lipsync.evaluation.benchmark.cache import ScoreCache
from lipsync.evaluation.benchmark.layout import read_folder
from lipsync.evaluation.benchmark.measures import MEASURES, OLD_VIDEO, RECOMPRESSED
from lipsync.evaluation.benchmark.numbers import BenchNumbers
from lipsync.evaluation.benchmark.origin import judge_trained_dubs
from lipsync.evaluation.benchmark.result import BenchResult
from lipsync.evaluation.videos import Scoring
from lipsync.features import Mel
from lipsync.media import VideoWriter, write_audio
from lipsync.models import Wav2Lip

COUNT = 8
FRAMES = 50
OLD, NEW = 0, 200  # seeds of what is said


def video(path, seen, heard=None, frames=FRAMES, size=(96, 80), fps=25, face=True) -> Path:
    """A mouth that says ``seen`` (a seed; None: at rest), with the sound ``heard`` (or none)."""
    faces = bright_and_loud(frames, seed=seen or 0)[0] * (seen is not None)
    wave = None if heard is None else bright_and_loud(frames, seed=heard)[1]
    with VideoWriter(path, fps, size, audio=wave, crf=8, threads=1) as writer:
        for shown in faces:
            picture = np.full((*size[::-1], 3), shown[0, 0, 0], np.uint8)
            picture[:8, :8] = 128 * face
            writer.write(picture)
    return path


def sound(path, seed, frames=FRAMES) -> Path:
    return write_audio(path, bright_and_loud(frames, seed=seed)[1]) or path


def run(folder, output, **options) -> BenchResult:
    return bench(folder, output, judge=expert(), detector=FixedDetector(), **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Eight clips; one system follows the new sound, one copies, one has a resting mouth."""
    root = tmp_path_factory.mktemp("bench")
    (root / "sound").mkdir()
    for k in range(COUNT):
        video(root / "real" / f"{k}.mp4", OLD + k, OLD + k)
        sound(root / "sound" / f"{k}.wav", NEW + k)
        for system, seen in {"<good>": NEW + k, "copier": OLD + k, "frozen": None}.items():
            video(root / system / f"{k}.mp4", seen)
        video(root / "<good>" / "silent" / f"{k}.mp4", None)
        video(root / "copier" / "silent" / f"{k}.mp4", OLD + k)
    lines = [
        "name,speaker,language",
        *(f"{k},p{k},{'en' if k % 2 else 'hi'}" for k in range(COUNT)),
    ]
    (root / "clips.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("out") / "new"


@pytest.fixture(scope="module")
def result(folder, output) -> BenchResult:
    return run(folder, output)


def measure(name):
    return next(m for m in MEASURES if m.name == name)


def test_systems_stand_between_the_real_videos_and_the_worst_baseline(result):
    assert result.systems == ["<good>", "copier", "frozen"]
    assert not result.left_out
    distance = {kind: result.mean(kind, measure("distance")).mean for kind in result.kinds}
    assert distance["real"] == pytest.approx(distance["<good>"], abs=0.02)
    assert distance["<good>"] < 0.6 * distance["copier"]
    assert distance["copier"] == pytest.approx(distance[OLD_VIDEO], abs=0.02)
    scaled = {s: result.normalised(s, measure("distance")) for s in result.systems}
    assert abs(scaled["<good>"].mean) < 0.1
    assert scaled["copier"].mean == pytest.approx(1, abs=0.05)
    for kind in RECOMPRESSED:
        assert len(result.values(kind, "distance")) == COUNT


def test_the_old_mouth_and_a_frozen_one_are_caught(result):
    assert result.findings("<good>") == []
    told = " ".join(result.findings("copier"))
    assert "no better than the old video under the new sound" in told
    assert "keeps the old mouth: the old speech still fits 100% of its dubs" in told
    assert "moves like the old mouth (motion_correlation 1.00" in told
    assert "moves the mouth under silence (silent_share 1.00" in told
    told = " ".join(result.findings("frozen"))
    assert "hardly moves the mouth (motion_share 0.0" in told
    assert "the old mouth:" not in told
    assert result.mean("<good>", measure("silent_share")).mean < 0.1


def test_a_copy_that_fools_the_distance_is_caught_by_what_is_left_of_the_old_mouth():
    rows = []
    for k in range(8):
        name, found = f"{k}", {"new_speech_found": 1.0}
        rows.append(Row("real", name, 9, 0.5 + k / 99, 1, 0, 0, "", found))
        rows.append(Row(OLD_VIDEO, name, 9, 1.0, 0, 9, 9, "", {"new_speech_found": 0.0}))
        rows.append(Row("s", name, 9, 0.4, 1, 0, 0, "", found | {"old_speech_found": 1.0}))
    result = BenchResult(rows, ["s"], {f"{k}": {} for k in range(8)}, "j", "p", 15, {})
    assert result.normalised("s", measure("distance")).mean < 0
    assert result.findings("s") == [
        "keeps the old mouth: the old speech still fits 100% of its dubs (0% by chance)"
    ]


def test_systems_are_compared_in_pairs_with_regard_to_the_table(result):
    found = result.comparisons["<good>", "copier"]
    assert found["distance"].clear
    assert found["distance"].difference.mean > 0
    assert found["distance"].p == pytest.approx(2 / 2**COUNT * 5)  # the minimum; five measures
    assert not result.comparisons["copier", "frozen"]["new_speech_found"].clear


def test_files_hold_what_was_found(result, output):
    with (output / "numbers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    mine = [r for r in rows if (r["system"], r["measure"]) == ("copier", "distance")]
    assert [r["name"] for r in mine] == [str(k) for k in range(COUNT)]
    assert [(r["speaker"], r["language"]) for r in mine[:2]] == [("p0", "hi"), ("p1", "en")]
    assert np.mean([float(r["normalised"]) for r in mine]) == pytest.approx(1, abs=0.05)
    assert {r["system"] for r in rows} == set(result.kinds)
    assert any((r["system"], r["measure"]) == ("copier", "silent_share") for r in rows)
    summary = json.loads((output / "summary.json").read_text())
    assert (summary["bench"], summary["judge"]) == ("bench-1", "loudness")
    distance = summary["measures"]["distance"]
    assert distance["means"]["real"]["n"] == COUNT
    assert distance["normalised"]["copier"]["low"] <= 1 <= distance["normalised"]["copier"]["high"]
    assert summary["groups"]["language"]["en"]["distance"]["copier"]["n"] == COUNT // 2
    assert summary["left_out"] == []


def test_the_page_shows_it(result, output):
    page = (output / "index.html").read_text()
    assert "Bench of &lt;good&gt;, copier, frozen" in page
    assert "<good>" not in page
    assert "keeps the old mouth" in page
    assert "By language" in page
    films = re.findall(r'<video [^>]* src="([^"]*)"', page)
    assert len(films) == 3
    for film in films:
        assert (output / film).stat().st_size > 0
        assert (output / film).with_suffix(".jpg").stat().st_size > 0
    assert not list(output.rglob(".*"))


def test_what_was_scored_is_not_scored_again(result, folder, output, monkeypatch):
    def none(*_, **__):
        raise AssertionError("scored again")

    monkeypatch.setattr(Scoring, "stretch", none)
    again = run(folder, output)
    assert again.as_dict() == result.as_dict()
    (folder / "frozen").rename(folder / "other")
    try:
        renamed = run(folder, output, systems=["other", "copier"])
    finally:
        (folder / "other").rename(folder / "frozen")
    assert renamed.systems == ["other", "copier"]
    assert renamed.values("other", "distance") == result.values("frozen", "distance")


def test_an_interrupted_bench_goes_on(folder, tmp_path, monkeypatch):
    for file in ("real/0.mp4", "real/1.mp4", "frozen/0.mp4", "frozen/1.mp4"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).symlink_to(folder / file)
    (tmp_path / "sound").symlink_to(folder / "sound")

    def stop(name, done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, tmp_path / "out", progress=stop)
    assert not (tmp_path / "out" / "index.html").exists()
    times, find = [], Scoring.stretch
    monkeypatch.setattr(Scoring, "stretch", lambda self, p: times.append(p) or find(self, p))
    assert run(tmp_path, tmp_path / "out").systems == ["frozen"]
    assert [path.name for path in times] == ["1.mp4", "1.mp4"]


def test_a_problem_is_not_kept(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"a")
    cache = ScoreCache(tmp_path, "settings")

    def full():
        raise LipsyncError("No space left on device")

    def rows(make):
        return cache.rows("score", [tmp_path / "a.mp4"], "a", ["real"], make)

    assert [row.problem for row in rows(full)] == ["No space left on device"]
    assert rows(lambda: [Row("real", "a", 7)])[0].n == 7
    assert rows(full)[0].n == 7


def test_dubs_that_cannot_be_compared_are_named_and_left_out(tmp_path):
    for name in (
        "good",
        "brief",
        "fast",
        "small",
        "faceless",
        "broken",
        "twice",
        "missing",
        "odd",
        "gone",
    ):
        video(tmp_path / "real" / f"{name}.mp4", 1, 1)
    dubs = tmp_path / "s"
    for name in ("good", "lonely", "twice", "odd"):
        video(dubs / f"{name}.mp4", 2, 2)
    video(dubs / "twice.mov", 2, 2)
    video(dubs / "brief.mp4", 2, 2, frames=30)
    video(dubs / "fast.mp4", 2, 2, fps=30, frames=60)
    video(dubs / "small.mp4", 2, 2, size=(64, 64))
    video(dubs / "faceless.mp4", 2, 2, face=False)
    (dubs / "broken.mp4").write_text("not a video")
    (dubs / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (dubs / "silent").mkdir()
    (dubs / "silent" / "good.mp4").write_text("not a video")
    video(tmp_path / "real" / "dark.mp4", 1, 1, face=False)
    video(dubs / "dark.mp4", 2, 2)
    (tmp_path / "sound").mkdir()
    for name in ("brief", "broken", "fast", "gone", "small"):
        sound(tmp_path / "sound" / f"{name}.wav", 2)
    tone = np.sin(np.arange(FRAMES * 640) / 9).astype(np.float32)
    write_audio(tmp_path / "sound" / "odd.wav", tone)
    result = run(tmp_path, tmp_path / "out")
    why = {row.video: row.problem for row in result.left_out if row.set == "s"}
    assert why["lonely"] == "no real video of this name"
    assert why["missing"] == "the system has no dub of it"
    assert why["twice"] == "several files of one name: twice.mov, twice.mp4; keep one"
    assert why["brief"].startswith("brief.mp4: lasts 1.20 s, but the real video 2.00 s and the new")
    assert why["fast"] == "fast.mp4: has 30 frames a second, but the real video 25"
    assert why["small"] == "small.mp4: is 64x64, but the real video is 96x80"
    assert why["faceless"] == "faceless.mp4: no face found in 50 frames"
    assert why["broken"].startswith("broken.mp4: not a video")
    assert why["gone"].startswith("gone.mp4: cannot be read (No such file")
    assert why["odd"] == "odd.mp4: has a different soundtrack than sound/odd.wav"
    assert why["dark"].startswith("its real video cannot be scored: dark.mp4: no face found")
    assert set(result.values("s", "distance")) == {"good"}
    assert not result.values("s", "silent_share")
    (quiet,) = [row for row in result.left_out if row.set == "s (silent_input)"]
    assert quiet.problem.startswith("good.mp4: not a video")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {"system": "s", "name": "lonely", "problem": why["lonely"]} in summary["left_out"]
    assert why["small"] in (tmp_path / "out" / "index.html").read_text()
    assert read_folder(tmp_path, output=tmp_path / "out").systems == ["s"]


def test_dubs_with_the_real_video_s_sound_are_compared_with_its_pictures(tmp_path):
    (tmp_path / "sound").mkdir()
    for k in (1, 2):
        real = video(tmp_path / "real" / f"{k}.mp4", k, k)
        (tmp_path / "sound" / f"{k}.mp4").write_bytes(real.read_bytes())
        video(tmp_path / "own" / f"{k}.mp4", k)
    result = run(tmp_path, tmp_path / "out")
    assert result.mean("own", measure("psnr")).mean > 35
    assert not result.values("own", "old_speech_found")
    assert not result.values("own", "motion_correlation")
    worst, real = (result.mean(k, measure("distance")).mean for k in (OLD_VIDEO, "real"))
    assert worst > 1.5 * real  # with the other clip's speech


def test_what_drifts_with_the_codec_more_than_systems_differ_is_marked():
    def rows(kind, values):
        return [Row(kind, f"{k}", 9, v, v, 0, 0) for k, v in enumerate(values)]

    made = [*rows("real", [1, 2]), *rows("a", [2, 3]), *rows("b", [2.2, 3.2]), *rows("c", [4, 5])]
    made += rows(RECOMPRESSED[0], [1.1, 2.1]) + rows(RECOMPRESSED[2], [1.5, 2.5])

    def drift_dominates(*systems):
        result = BenchResult(made, [*systems], {"0": {}, "1": {}}, "j", "p", 15, {})
        assert result.drift(measure("distance")) == pytest.approx(0.5)
        return result.drift_dominates(measure("distance"))

    assert drift_dominates("a", "b")
    assert not drift_dominates("a", "b", "c")
    assert not drift_dominates("a")  # compared with the real videos


def test_speakers_are_the_clusters(result):
    about = {name: {"speaker": f"p{int(name) % 3}"} for name in result.clips}
    few = BenchResult(
        result.rows, result.systems, about, result.judge, result.protocol, 15, result.settings
    )
    found = few.comparisons["<good>", "copier"]["distance"]
    assert (found.verdict, found.difference.n) == ("too few to say", COUNT)


@pytest.mark.parametrize(
    ("files", "systems", "problem"),
    [
        ([], None, "no real videos"),
        (["real/a.mp4"], None, "holds no dubs"),
        (["real/a.mp4", "sound/a.wav"], None, "holds no dubs"),
        (["s/a.mp4"], None, "no real videos"),
        (["real/a.mp4", "s/b.mp4"], None, "no dub has the same file name as a real video"),
        (["real/a.mp4", "s/a.mp4"], ["t"], "no system t; available: s"),
        (["real/a.mp4", "real, crf 18/a.mp4"], None, "is the name of a baseline"),
    ],
)
def test_an_empty_or_one_sided_folder_is_an_error(tmp_path, files, systems, problem):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(ConfigError, match=problem):
        read_folder(tmp_path, systems)
    with pytest.raises(ConfigError, match="no such folder"):
        read_folder(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("clip,speaker\na,b", "needs a header"),
        ("name,speaker\na", "line 2 has 1 fields, but the header has 2"),
        ("name,speaker\na,p\na,q", "line 3 repeats a"),
        ("name,speaker\nb,p", "gives no speaker for a"),
        ("", "needs a header"),
    ],
)
def test_a_list_of_clips_of_another_form_is_an_error(tmp_path, text, problem):
    for file in ("real/a.mp4", "s/a.mp4"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(LipsyncError, match=problem):
        read_folder(tmp_path)


def test_a_bench_without_a_score_names_every_reason():
    problems = ["no face", "too short", "no face", "no sound", "no face"]
    rows = [Row("s", str(k), 0, problem=problem) for k, problem in enumerate(problems)]
    rows.append(Row("real", "0", 50))
    numbers = BenchNumbers(rows, ["s"], {}, "judge", "wild", 15, {})
    with pytest.raises(ConfigError) as caught:
        numbers.check()
    assert str(caught.value) == (
        "none of 5 dubs could be scored; s/0: no face (and 2 more); s/1: too short; s/3: no sound"
    )
    rows = [Row("s", str(k), 0, problem=f"problem {k}") for k in range(11)]
    with pytest.raises(ConfigError, match=r"; s/7: problem 7; 3 more reasons$"):
        replace(numbers, rows=rows).check()


def test_a_bench_without_a_score_is_an_error(tmp_path):
    video(tmp_path / "real" / "a.mp4", 1, 1)
    video(tmp_path / "s" / "a.mp4", 2, 2, size=(64, 64))
    with pytest.raises(
        ConfigError,
        match=r"none of 1 dubs could be scored; s/a: a\.mp4: is",
    ):
        run(tmp_path, tmp_path / "out")
    with pytest.raises(ConfigError, match="cannot be used for the page; name another folder"):
        run(tmp_path, tmp_path)
    with pytest.raises(ConfigError, match="workers=0: must be a whole number"):
        run(tmp_path, tmp_path / "out", workers=0)


def test_a_judge_that_trained_a_system_is_told(tmp_path):
    judge, generator = expert(), Wav2Lip(width=0.1, depth=0, feature=Mel(lead=2))
    frozen = {"sync": [fingerprint(judge.model)]}
    for name, card in {"trained": {"frozen": frozen}, "alone": {"frozen": {}}, "old": {}}.items():
        save_model(generator, tmp_path / f"{name}.safetensors", card)

    def dubbed(name, model):
        with VideoWriter(
            tmp_path / name, 25, (32, 32), metadata={"comment": pipeline._comment(model)}
        ) as writer:
            writer.write(np.zeros((32, 32, 3), np.uint8))
        return tmp_path / name

    found = {
        name: judge_trained_dubs(judge, [dubbed("a.mp4", tmp_path / f"{name}.safetensors")])
        for name in ("trained", "alone", "old", "missing")
    }
    assert found == {"trained": "yes", "alone": "no", "old": "unknown", "missing": "unknown"}
    # without a download
    assert judge_trained_dubs(judge, [dubbed("a.mp4", "syncnet_v2")]) == "unknown"
    rows = [Row(kind, "a", 9, 1.0, 1.0, 0) for kind in ("real", "s")]
    result = BenchResult(rows, ["s"], {"a": {}}, "j", "p", 15, {}, {"s": "yes"})
    assert result.table().startswith("WARNING: j trained s")


@pytest.mark.slow
@pytest.mark.usefixtures("quick_workers")
def test_several_processes_find_the_same(result, folder, tmp_path):
    assert run(folder, tmp_path, workers=2).as_dict() == result.as_dict()
