"""Adaptation end to end: the result is better for that person; an interrupted call resumes."""

import json

import pytest
import torch

from lipsync.adapt import adapt, person
from lipsync.checkpoints import load_model, save_model
from lipsync.checkpoints.files import fingerprint
from lipsync.cli import main
from lipsync.media import VideoWriter
from lipsync.models import LipsCode, Wav2Lip
from lipsync.sample.corpus import make_clip


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Four clips of a synthetic talking head."""
    folder, found = tmp_path_factory.mktemp("videos"), []
    for number in range(4):
        clip = make_clip(0, 1, number, 2.5, 128)
        found.append(folder / f"{number} of 4.mp4")
        with VideoWriter(found[-1], 25, (128, 128), audio=clip.wave) as writer:
            for frame in clip.frames:
                writer.write(frame)
    return found


def tiny(folder, kind):
    torch.manual_seed(0)
    path = folder / "base.safetensors"
    sizes = {"image_size": 96, "width": 0.06, "depth": 0.0}
    network = LipsCode(**sizes, sound_width=0.1) if kind == "code" else Wav2Lip(**sizes)
    save_model(network, path, {"data": "none"})
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["code", "plain"])
def test_what_is_written_paints_the_person_better(videos, tmp_path, kind, monkeypatch):
    base, output, work = tiny(tmp_path, kind), tmp_path / "anna.safetensors", tmp_path / "work"
    options = {"sync_check": False, "batches": 60, "consent": "a generated head has no say"}

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:  # between training and comparison
        stopped.setattr(person, "compare", stop)
        with pytest.raises(KeyboardInterrupt):
            adapt(videos, output, base, **options, work=work)
    assert not output.exists()
    checkpoint = work / "run" / "checkpoints" / "best.ckpt"
    trained = checkpoint.stat().st_mtime_ns
    found = adapt(videos, output, base, **options, work=work)

    assert checkpoint.stat().st_mtime_ns == trained
    assert found.gain.psnr > found.gain.psnr_base + 0.3
    assert found.seconds == pytest.approx(10, abs=0.5)
    card = load_model(output).card
    assert card["data"] == "none"
    assert card["adapted"]["consent"] == options["consent"]
    assert card["adapted"]["base_weights"] == fingerprint(load_model(base))
    assert [video["file"] for video in card["adapted"]["footage"]] == [v.name for v in videos]
    assert card["adapted"]["psnr"] == found.gain.psnr
    assert str(tmp_path) not in json.dumps(card)


@pytest.mark.slow
def test_what_is_no_better_is_not_written(videos, tmp_path, monkeypatch, capsys):
    base, output = tiny(tmp_path, "code"), tmp_path / "anna.safetensors"
    monkeypatch.setattr(person, "load_model", lambda path: load_model(base))  # as it began
    monkeypatch.setattr(person, "fit_codes", lambda *_: None)
    arguments = [str(video) for video in videos]
    with pytest.raises(SystemExit) as exit_:
        main(["adapt", *arguments, "-o", str(output), "--base", str(base), "--batches", "2"])
    assert exit_.value.code == 2
    assert "no better than" in capsys.readouterr().err
    assert not list(tmp_path.glob("anna*"))
