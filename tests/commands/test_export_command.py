"""``lipsync export`` and ``doctor``."""

import json

import torch
from command_media import run

from lipsync.checkpoints import load_model
from lipsync.features import Mel


def test_export_and_doctor(models, tmp_path, capsys):
    source = models / "generator.safetensors"
    assert run("export", source, "-o", tmp_path / "copy.safetensors") == 0
    first, second = load_model(source), load_model(tmp_path / "copy.safetensors")
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    capsys.readouterr()
    assert run("doctor", source, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["model"] == "Wav2Lip"
    assert facts["config"]["feature"] == Mel(lead=2).record
    assert facts["hears"] == (
        "mel, 80 bands, 80 columns a second, 16 of them (0.2 s) beside each frame, "
        "from 0.08 s before it"
    )
    assert facts["sees"] == "faces of 96 x 96 px, framing box"
    assert "lipsync dub --model" in facts["use"]
    assert run("doctor", models / "expert.safetensors", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["hears"].endswith("16 of them (0.2 s) beside 5 frames, from its begin")
    assert facts["sees"] == (
        "lower halves of faces of 96 x 96 px, framing box, 5 frames at a time, rgb"
    )
    assert run("doctor", "expert-open", "--json") == 0
    told = json.loads(capsys.readouterr().out)["card: calibration"]
    assert "; of clips of 2.8 s in sync 35% are unsure and 0% sure of a wrong" in told
    assert run("doctor") == 0
    facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert facts["torch"].startswith(torch.__version__.split("+")[0])
    assert run("doctor", tmp_path / "none.pth") == 2


def test_export_refuses(models, tmp_path, capsys):
    source = models / "generator.safetensors"
    assert run("export", source, "-o", tmp_path / "x.bin") == 2
    assert ".onnx, .safetensors, .pth" in capsys.readouterr().err
    assert run("export", source, "-o", tmp_path / "x.pth") == 2  # not of the published size
    assert run("export", "nothing", "-o", tmp_path / "x.pth") == 2
    assert run("export", source, "-o", tmp_path / "x.onnx", "--share", "0.3") == 2
    capsys.readouterr()
    assert run("export", source, "-o", tmp_path / "x.onnx", "--card", __file__) == 2
    assert "a card can be written to" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_export_writes_a_card(models, tmp_path):
    (tmp_path / "card.yaml").write_text("{licence: MIT, data: my own footage}")
    copy = tmp_path / "copy.safetensors"
    command = "export", models / "generator.safetensors", "-o", copy
    assert run(*command, "--card", tmp_path / "card.yaml") == 0
    assert load_model(copy).card["data"] == "my own footage"
