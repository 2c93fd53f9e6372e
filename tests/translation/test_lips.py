"""The last stage: lips that follow the new sound."""

from __future__ import annotations

from pathlib import Path

import pytest
from translation_media import (
    DUBBED,
    Hears,
    edit,
    engines,
    hertz,
    made,
    pitch,
    work,
)

from lipsync.checkpoints import load_model, save_model
from lipsync.errors import ConfigError
from lipsync.media import probe, read_audio
from lipsync.translation import Segment, translate
from lipsync.translation.mixing import RATE

GRID = Path("../shared/data/grid")


def test_the_lips_follow_the_track_and_are_done_once(
    video: Path, output: Path, monkeypatch
) -> None:
    calls = []

    def fake(face, audio, output, **options):
        calls.append((face, audio, options))
        output.write_bytes(audio.read_bytes())
        return DUBBED

    monkeypatch.setattr("lipsync.dubbing.dub", fake)
    options, *_ = engines(until="lips", dub={"model": "some"})
    result = translate(video, output, options)
    assert result.output == output
    face, audio, given = calls[0]
    assert (face, audio) == (video, work(output) / "es" / "track.wav")
    assert {name: given[name] for name in ("model", "device")} == {"model": "some", "device": "cpu"}
    translate(video, output, options)
    assert len(calls) == 1
    edit(work(output) / "es" / "translation.json", lambda t: t.replace('"uoy era woh"', '"si"', 1))
    translate(video, output, options)
    assert len(calls) == 2
    assert [given["tracks"] for *_, given in calls] == 2 * [work(output) / "tracks.json"]
    output.unlink()
    translate(video, output, options)
    assert len(calls) == 3


def test_the_model_is_adapted_to_the_video_once(
    video: Path, output: Path, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIPSYNC_CACHE", str(tmp_path / "cache"))
    adapted, models = [], []

    def fake_adapt(videos, person, model, **options):
        adapted.append((videos, model, options["face"]))
        save_model(load_model("judge-open"), person)  # any file of weights

    def fake_dub(face, audio, output, model, **options):
        assert "adapt" not in options
        models.append(model)
        output.write_bytes(audio.read_bytes())
        return DUBBED

    def too_little(*_, **__):
        raise ConfigError("only 2.0 s of the footage are usable")

    monkeypatch.setattr("lipsync.adapt.cached.adapt", fake_adapt)
    monkeypatch.setattr("lipsync.dubbing.dub", fake_dub)
    for wanted in ({"adapt": True}, {"dub": {"adapt": True}}):
        options, *_ = engines(until="lips", **wanted)
        translate(video, output, options)
        output.unlink()
    assert adapted == [([video], "lipscode-open", "sync")]
    assert [model.name for model in models] == 2 * ["lipscode-open-adapted.safetensors"]

    monkeypatch.setenv("LIPSYNC_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr("lipsync.adapt.cached.adapt", too_little)
    result = translate(video, output, options)
    assert models[-1] == "lipscode-open"
    assert "note: not adapted: only 2.0 s" in str(result)


@pytest.mark.slow
@pytest.mark.skipif(not GRID.is_dir(), reason="../shared/data/grid is absent")
def test_a_real_face_speaks_the_new_sound(output: Path) -> None:
    clip = sorted(GRID.glob("s1/*.mp4"))[0]
    heard = (Segment(0.3, 1.3, "good morning"), Segment(1.8, 2.6, "thank you"))
    options, *_ = engines(asr=Hears(lines=heard), until="lips")
    result = translate(clip, output, options)
    assert result.output == output
    before, after = probe(clip), probe(output)
    assert (after.width, after.height, after.frames) == (before.width, before.height, before.frames)
    sound = read_audio(output, RATE)
    assert pitch(sound[round(0.5 * RATE) : round(0.8 * RATE)], RATE) == pytest.approx(
        hertz("gninrom doog"), abs=8
    )
    assert made(translate(clip, output, options)) == {}
