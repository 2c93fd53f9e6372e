"""Estimates from a sample of footage; the page, the experiment and the command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import forked
import numpy as np
import pytest

from data_prep.active_speaker import Limits
from data_prep.footage import Stretch
from data_prep.options import Options
from data_prep.pieces import Piece
from data_prep.plan import Plan, Prices, Speed, estimate_plan, experiment, prepare_command, verdict
from data_prep.scan import Source, scan
from data_prep.stretches import SampledFile, draw_sample
from lipsync.errors import ConfigError
from lipsync.media import VideoWriter
from lipsync.sample.corpus import make_clip

REPOSITORY = Path(__file__).parents[2]
PRICES, SPEED = Prices(0.1, 2.0, 0.02), Speed("X", 100, 128, 0.5)


def sampled(name: str = "a", face: float = 200, crop: float = 140, **more) -> SampledFile:
    """Ten of a hundred seconds, eight of them with a face."""
    piece = Piece(0, 200, boxes=[[0, 0, 1, 1]], face_size=face)
    return SampledFile(
        name, (640, 360), 25.0, 100.0, 10.0, 5.0, 1.0, [piece], [None], [crop],
        **more,
    )  # fmt: skip


def plan(*found: SampledFile, files: int = 360, **more) -> Plan:
    return estimate_plan(list(found), files, None, Options(), PRICES, SPEED, **more)


def test_the_sample_is_scaled_to_the_whole() -> None:
    made = plan(sampled(), sampled("b"))
    assert (made.hours, made.kept_hours) == (10, pytest.approx(8))
    assert made.clips == 3600  # of eight seconds
    assert made.core_hours == pytest.approx(5)
    assert (made.image_size, made.min_face) == (128, 64)
    assert made.gigabytes == pytest.approx(8 * (128 * 128 * 3 * 90000 / 1e9 + 0.3))
    assert made.batches == 12353
    alone = 12353 * 16 / 100 / 3600
    assert made.train_hours == {1: pytest.approx(alone), 8: pytest.approx(alone / 4)}
    assert made.costs["training on 8"] == pytest.approx(8 * alone / 4 * 2)
    assert made.costs["preparation"] == pytest.approx(0.5)
    # a hundred times the files: more steps than for a few people
    assert plan(sampled(), files=36000).batches == 4 * 360000 // 16


def test_small_faces_get_small_crops_and_those_that_are_smaller_are_left_out() -> None:
    made = plan(sampled(), sampled("b"), sampled("c", face=50, crop=36))
    assert made.image_size == 128
    assert made.reasons == {"kept": 16, "small": 8}
    assert made.kept_hours == pytest.approx(10 * 16 / 30)
    assert plan(sampled(face=50, crop=36)).image_size == 96


def test_a_sample_that_gives_nothing_is_an_error() -> None:
    gone = SampledFile("x", problem="no_sound: none")
    with pytest.raises(
        ConfigError, match=r"none of 1 sampled files yields a clip \(1 no_sound: none"
    ):
        plan(gone)
    assert plan(sampled(), gone).kept_hours == plan(sampled()).kept_hours / 2


def test_what_the_judge_is_unsure_of_stays() -> None:
    sure, unsure = sampled("a"), sampled("b")
    sure.scores[:] = [{"confidence": 0.6, "offset": 1}]
    unsure.scores[:] = [{"confidence": 0.1, "offset": 9}]
    made = estimate_plan([sure, sure, unsure], 360, Limits(0.5, 6), Options(), PRICES, SPEED)
    assert made.verdicts == {"one frame off": 2, "unsure": 1}
    assert made.reasons == {"kept": 24}
    assert prepare_command(made, Path("a"), "b", "j", 1).endswith(" judge=j")
    assert prepare_command(made, Path("a"), "b", None, 1).endswith(" judge=null")


def test_verdicts() -> None:
    limits = Limits(0.5, 6)
    told = [
        verdict(score and {"confidence": score[0], "offset": score[1]}, limits)
        for score in (None, (0.4, 0), (0.6, 0), (0.6, -1), (0.6, 3))
    ]
    assert told == ["not judged", "unsure", "in sync", "one frame off", "further off"]


def test_the_files_that_are_drawn_are_the_same_ones_each_time() -> None:
    sources = [Source("", f"{i}.mp4", f"{i}.mp4", str(i), str(i)) for i in range(50)]
    picked = draw_sample(sources, 5)
    places = [sources.index(one) for one in picked]
    assert places == sorted(places)
    assert set(map(id, draw_sample(sources[:40], 5))) & set(map(id, picked))
    assert draw_sample(sources, 99) == sources


def footage(folder: Path, people: int = 2, clips: int = 3) -> Path:
    """Synthetic heads that speak for two seconds, and the lists of a source."""
    keys = [f"p{person}/{clip}" for person in range(people) for clip in range(clips)]
    for key in keys:
        clip = make_clip(1, int(key[1]), int(key[-1]), 2.0, 160)
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        with VideoWriter(folder / f"{key}.mp4", 25, (160, 160), audio=clip.wave) as writer:
            for frame in clip.frames:
                writer.write(frame)
    (folder / "filelists").mkdir()
    for split, own in (("train", keys[:-2]), ("val", keys[-2:-1]), ("test", keys[-1:])):
        (folder / "filelists" / f"{split}.txt").write_text("\n".join(own) + "\n")
    return folder


def test_a_stretch_is_the_middle_of_a_file(tmp_path: Path) -> None:
    (source,) = scan(footage(tmp_path / "in", 1, 1))
    whole = Stretch(source.path, 0.0, 50, hold=False)
    part = Stretch(source.path, 0.8, 20, hold=True)
    for _ in range(2):  # decoded, and held
        pairs = list(zip(part.frames(), list(whole.frames())[20:40], strict=True))
        assert max(np.abs(a.astype(int) - b).max() for a, b in pairs) == 0
    assert np.array_equal(part.wave, whole.wave[12800 : 12800 + 12800])


@pytest.mark.slow
def test_its_commands_prepare_and_train(tmp_path: Path) -> None:
    footage(tmp_path / "my films")
    asked = ("-m", "data_prep", "plan", "source=my films", "judge=null", "files=2", "seconds=2")
    dry = forked.run(*asked, "dry_run=true", cwd=tmp_path)
    assert dry.stdout.startswith("2 s of 2 of 6 files:\n  p"), dry.stderr
    assert not (tmp_path / "plan").exists()
    done = forked.run(*asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    prepare, train = (line.strip() for line in done.stdout.splitlines()[2:4])
    page = (tmp_path / "plan/plan.html").read_text()
    assert "Plan for my films" in page
    assert prepare.replace("'", "&#39;") in page
    found = json.loads((tmp_path / "plan/plan.json").read_text())
    assert len(found["sample"]) == 2
    prepared = forked.run(*shlex.split(prepare)[1:], "workers=0", cwd=tmp_path)
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    script, *rest = shlex.split(train)[1:]
    short = (
        "data.batch_size=2", "data.workers=0", "trainer.batches=2", "trainer.val_every=2",
        "test=false",
    )  # fmt: skip
    trained = forked.run(str(REPOSITORY / script), *rest, *short, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "runs/my_films/checkpoints/last.ckpt").is_file()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "source not given: python -m data_prep plan source=DIR"),
        (("source=none",), "source=none: no such folder"),
        (("source=in", "files=0"), "files must be 1 or more, got 0"),
        (("source=in", "name=a/b"), "name=a/b: may contain only letters"),
        (("source=in", "prices.gpu_hour=-1"), "gpu_hour must be 0 or more, got -1"),
        (("source=in", "judge=null"), "none of 1 sampled files yields a clip (1 empty: 0 bytes)"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.mp4").write_bytes(b"")
    done = forked.run("-m", "data_prep", "plan", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert f"error: {problem}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_odd_names_are_quoted() -> None:
    made = plan(sampled())
    recipe = experiment(made, "x", 'data/"odd" # name', "line\nend")
    assert 'root: "data/\\"odd\\" # name"' in recipe
    assert "line end" in recipe
    words = shlex.split(prepare_command(made, Path("a b"), "c d", None, 2))
    assert {"source=a b", "output=c d", "image_size=128"} <= set(words)
