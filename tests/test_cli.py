"""The commands: exit codes, one-line errors, options that stay equal to the functions'."""

import argparse
import inspect
import json
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from lipsync import cli, dubbing, evaluation, translation
from lipsync.checkpoints import load_model, save_model
from lipsync.dubbing.enhance import ENHANCERS
from lipsync.dubbing.options import KNOWN
from lipsync.dubbing.result import ReferencesUsed
from lipsync.dubbing.speakers import POSITIONS, SYNC
from lipsync.evaluation import BenchResult, Calibration, Report, Row
from lipsync.evaluation.videos import PROTOCOLS
from lipsync.faces.detect import DETECTORS
from lipsync.features import Mel
from lipsync.media import VideoWriter, write_audio
from lipsync.models import SyncNet, Wav2Lip


def run(*arguments: str | Path) -> int:
    """``lipsync ARGUMENTS`` in this process; the exit code."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    save_model(Wav2Lip(width=0.1, depth=0, feature=Mel(lead=2)), folder / "generator.safetensors")
    save_model(SyncNet(width=0.1, depth=0), folder / "expert.safetensors")
    return folder


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """``face.mp4``, half a second of noise without a face, and ``sound.wav``."""
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "face.mp4", 25, (64, 64)) as video:
        for _ in range(12):
            video.write(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    write_audio(tmp_path / "sound.wav", rng.uniform(-0.1, 0.1, 8000).astype(np.float32))
    return tmp_path


def test_help_is_quick_and_does_not_import_torch():
    heavy = (
        "import sys, lipsync.cli; sys.exit(any(m in sys.modules for m in ('torch', 'cv2', 'av')))"
    )
    assert subprocess.run([sys.executable, "-c", heavy]).returncode == 0
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "lipsync", "--help"], capture_output=True, text=True
    )
    assert time.perf_counter() - start < 2
    assert done.returncode == 0
    for command in ("dub", "evaluate", "bench", "calibrate", "export", "doctor", "demo"):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("command", "function", "own"),
    [
        ("dub", dubbing.dub, {"help", "plugin", "json", "quiet", "config", "batch"}),
        ("bench", evaluation.bench, {"help", "plugin", "json", "quiet"}),
        (
            "evaluate",
            evaluation.evaluate,
            {"help", "plugin", "json", "quiet", "pairs", "output", "against"}
            | {
                "model",
                "root",
                "filelist",
                "count",
                "seed",
                "reference_frames",
                "allow_training_judge",
            },
        ),
    ],
)
def test_options_are_the_function_s(command, function, own):
    parser = cli._parser()._subparsers._group_actions[0].choices[command]
    options = {action.dest for action in parser._actions} - own
    known = dict(inspect.signature(function).parameters)
    if known.pop("options", None):
        known |= KNOWN
    assert options == set(known) - {"progress"} - own
    given = {a.dest: a.help for a in parser._actions}
    for name, parameter in known.items():
        if isinstance(parameter.default, int) and not isinstance(parameter.default, bool):
            assert f"default: {parameter.default}" in given[name]  # the help tells the truth
        elif name in ("detector", "no_face", "length", "protocol"):
            assert f"{parameter.default} (default)" in given[name]


def action(command: str, name: str) -> argparse.Action:
    parser = cli._parser()._subparsers._group_actions[0].choices[command]
    return next(action for action in parser._actions if action.dest == name)


def test_every_enumerated_option_has_its_choices():
    for command, known in (
        ("dub", KNOWN.values()),
        ("translate", fields(translation.Options)),
    ):
        for option in known:
            if choices := option.metadata.get("choices"):
                assert tuple(action(command, option.name).choices) == choices, option.name
    for command in ("dub", "evaluate", "bench"):
        assert list(action(command, "detector").choices) == list(DETECTORS)
    assert list(action("dub", "enhance").choices) == list(ENHANCERS)
    assert list(action("evaluate", "protocol").choices) == list(PROTOCOLS)
    assert (*POSITIONS, SYNC) == cli._SPEAKERS


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("dub f.mp4 a.wav -o o.mp4 --length lop", "--length: invalid choice: 'lop'"),
        ("dub f.mp4 a.wav -o o.mp4 --detector eye", "--detector: invalid choice: 'eye'"),
        ("dub f.mp4 a.wav -o o.mp4 --speaker lft", "--speaker: 'lft' is not largest, left"),
        ("dub f.mp4 a.wav -o o.mp4 --crf low", "--crf: invalid int value: 'low'"),
        ("dub f.mp4 a.wav", "the following arguments are required: -o/--output"),
        ("translate v.mp4 -o o.mp4 --until lunch", "--until: invalid choice: 'lunch'"),
        ("evaluate v --protocol tame", "--protocol: invalid choice: 'tame'"),
        ("dubb", "invalid choice: 'dubb'"),
    ],
)
def test_a_wrong_command_line_is_one_line(words, problem, capsys):
    assert run(*words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert problem in line
    assert "--help)" in line


def test_a_wrong_choice_is_refused_in_under_a_second():
    words = ["dub", "f.mp4", "a.wav", "-o", "o.mp4", "--length", "lop"]
    took = []
    for _ in range(3):  # other work may slow one of them down
        begin = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "lipsync", *words], capture_output=True)
        took.append(time.perf_counter() - begin)
        assert done.returncode == 2
    assert min(took) < 1


USED = ReferencesUsed("auto", frames=[2])


def test_options_that_are_given_are_passed_on_and_others_are_not(monkeypatch, capsys):
    seen = {}

    def fake(**options):
        seen.update(options)
        return dubbing.DubResult(Path("o.mp4"), 5, 0.2, 25, 3, [(1, 3)], 5, "whole", "m", USED)

    monkeypatch.setattr(dubbing, "dub", fake)
    assert run("dub", "f.mp4", "a.wav", "-o", "o.mp4", "--crf", "30", "--no-face", "error") == 0
    del seen["progress"]
    assert seen == {
        "face": "f.mp4", "audio": "a.wav", "output": "o.mp4", "crf": 30, "no_face": "error",
    }  # fmt: skip
    out = capsys.readouterr().out
    assert "5 frames, 0.20 s at 25 fps" in out
    assert "frames without: 1-2" in out
    assert "references: frame 2;" in out
    assert run("dub", "f", "a", "-o", "o.mp4", "--json") == 0
    assert json.loads(capsys.readouterr().out)["skipped"] == [[1, 3]]
    assert run("dub", "f", "a", "-o", "o.mp4", "--quiet") == 0
    assert capsys.readouterr().out == ""


def test_options_from_a_file_give_way_to_those_of_the_command(monkeypatch, tmp_path):
    seen = {}
    result = dubbing.DubResult(Path("o.mp4"), 5, 0.2, 25, 3, [], 5, "whole", "m", USED)
    monkeypatch.setattr(dubbing, "dub", lambda **options: seen.update(options) or result)
    (tmp_path / "s.yaml").write_text("crf: 30\nno-face: hold\n")
    arguments = "f", "a", "-o", "o.mp4", "--config", tmp_path / "s.yaml", "--crf", "20"
    assert run("dub", *arguments, "--watermark", "--no-gate") == 0
    del seen["progress"]
    assert seen == {
        "face": "f", "audio": "a", "output": "o.mp4", "crf": 20, "no_face": "hold",
        "watermark": "AI-generated", "gate": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("face", "audio", "output", "model", "problem"),
    [
        ("face.mp4", "sound.wav", "out.mp4", "generator", "face.mp4: no face found in 12 frames"),
        ("missing.mp4", "sound.wav", "out.mp4", "generator", "missing.mp4: no such file"),
        ("face.mp4", "face.mp4", "out.mp4", "generator", "face.mp4: has no sound"),
        ("face.mp4", "sound.wav", "no/out.mp4", "generator", "there is no folder"),
        ("face.mp4", "sound.wav", "face.mp4", "generator", "is the input itself"),
        ("face.mp4", "sound.wav", "out.mp4", "expert", "is a SyncNet, which does not dub"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    media, models, capsys, face, audio, output, model, problem
):
    before = {path: path.read_bytes() for path in media.iterdir()}
    model = models / f"{model}.safetensors"
    code = run("dub", media / face, media / audio, "-o", media / output, "--model", model)
    error = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(error) == 1
    assert error[0].startswith("error: ")
    assert problem in error[0]
    assert {path: path.read_bytes() for path in media.iterdir()} == before


def test_an_unknown_model_is_named(media, capsys):
    code = run(
        "dub", media / "face.mp4", media / "sound.wav", "-o", media / "o.mp4", "--model", "x"
    )
    assert code == 2
    assert "error: x: no such file or bundled model" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_device_that_is_not_there(media, models, capsys):
    arguments = media / "face.mp4", media / "sound.wav", "-o", media / "o.mp4", "--device", "cuda"
    assert run("dub", *arguments, "--model", models / "generator.safetensors") == 2
    assert "error: device cuda cannot be used" in capsys.readouterr().err
    face, judge = media / "face.mp4", models / "expert.safetensors"
    assert run("evaluate", face, "--real", face, "--judge", judge, "--device", "gpu") == 2
    assert "error: device gpu cannot be used" in capsys.readouterr().err


_SLOW_DUB = """
import sys, time
import numpy as np, torch
from torch import nn
from lipsync import cli
from lipsync.dubbing import faces, plan
from lipsync.faces.detect import Detection, Detector
from lipsync.features import Mel

class Fixed(Detector):
    name = "fixed"
    def detect(self, frame):
        return [Detection(np.array([8, 8, 56, 56], np.float32), 1.0, np.full((5, 2), np.nan))]

class Slow(nn.Module):
    config = {"image_size": 16, "feature": Mel().record}
    def forward(self, mel, faces):
        print("rendering", flush=True)
        time.sleep(0.5)
        return faces[:, 3:]

faces.get_detector = lambda name: Fixed()
plan.load_generator = lambda model, device: (Slow(), "slow")
sys.exit(cli.main(sys.argv[1:]))
"""


def test_ctrl_c_leaves_nothing_and_code_130(media):
    out = media / "out"
    out.mkdir()
    arguments = ["dub", media / "face.mp4", media / "sound.wav", "-o", out / "o.mp4"]
    command = [sys.executable, "-c", _SLOW_DUB, *arguments, "--batch-size", "1", "--quiet"]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "rendering\n"
    assert process.stdout.readline() == "rendering\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "interrupted\n"
    assert list(out.iterdir()) == []


# ---------------------------------------------------------------- evaluate


def test_evaluate_wants_real_videos(media, capsys):
    assert run("evaluate", media / "face.mp4") == 2
    assert "error: no real videos" in capsys.readouterr().err
    # --real takes all that follows it
    assert run("evaluate", "--real", media / "face.mp4", media / "face.mp4") == 2
    assert "error: no generated videos: name some, before --real" in capsys.readouterr().err


def test_evaluate_refuses_an_output_that_is_a_file_before_any_work(media, capsys):
    face = media / "face.mp4"
    assert run("evaluate", face, "--real", face, "--judge", "none", "-o", face) == 2
    assert "face.mp4: is a file; name a folder" in capsys.readouterr().err


def test_evaluate_prints_and_writes(media, monkeypatch, capsys):
    seen = {}

    def fake(generated, real, **options):
        seen.update(options, generated=generated, real=real)
        rows = [Row("generated", "g", 5, 1.0, 2.0, 0), Row("real", "r", 5, 0.5, 3.0, 0)]
        return Report(rows, "j", "p", 15)

    monkeypatch.setattr(evaluation, "evaluate", fake)
    assert run("evaluate", "a", "b", "--real", "c", "--vshift", 9, "-o", media / "scores") == 0
    assert (seen["generated"], seen["real"], seen["vshift"]) == (["a", "b"], ["c"], 9)
    assert "judge" not in seen
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split()[:4] == ["generated", "1", "0", "1.000"]
    assert lines[-1].split()[:4] == ["real", "1", "0", "0.500"]
    assert json.loads((media / "scores" / "scores.json").read_text())["judge"] == "j"
    assert "<h1>Lip-sync scores</h1>" in (media / "scores" / "report.html").read_text()
    (media / "pairs.csv").write_text("x.mp4,y.mp4\n")
    assert run("evaluate", "--pairs", media / "pairs.csv", "--json") == 0
    assert (seen["generated"], seen["real"]) == ([media / "x.mp4"], [media / "y.mp4"])
    assert json.loads(capsys.readouterr().out)["overall"]["real"]["distance"]["mean"] == 0.5
    assert run("evaluate", "a", "--real", "c", "--against", media / "scores") == 0
    assert "distance" in capsys.readouterr().out.split("against ")[1]
    assert run("evaluate", "a", "--real", "c", "--against", media) == 2
    assert "scores.json: cannot be read" in capsys.readouterr().err


def test_evaluate_of_nothing_that_can_be_scored(media, models, capsys):
    face, judge = media / "face.mp4", models / "expert.safetensors"
    assert run("evaluate", face, "--real", face, "--judge", judge, "--quiet") == 2
    error = capsys.readouterr().err
    assert "none of 1 generated videos could be scored" in error
    assert "has no sound" in error


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--model", "m", "--root", "r"], "needs a folder for its videos; name it with -o"),
        (["--model", "m", "-o", "o"], "name a folder of videos with --root, or a --filelist"),
        (["--model", "m", "-o", "o", "--real", "r", "--root", "r"], "leave out GENERATED"),
        (["--model", "m", "-o", "o", "--filelist", "f", "--seed", "1"], "a --filelist names them"),
        (["a", "--real", "r", "--count", "3"], "--count is for a generator"),
        (["a", "--real", "r", "--allow-training-judge"], "--allow-training-judge is for a gen"),
    ],
)
def test_evaluate_says_what_does_not_go_together(arguments, problem, capsys):
    assert run("evaluate", *arguments) == 2
    assert problem in capsys.readouterr().err


def test_evaluate_a_generator(media, models, monkeypatch, capsys):
    seen = {}

    def fake(model, pairs, output, **options):
        seen.update(options, model=model, pairs=pairs, output=output)
        rows = [Row("generated", "g", 0, problem="no face"), Row("real", "g", 5, 0.5, 3.0, 0)]
        return Report(rows, "j", "p", 15, {"model": model})

    monkeypatch.setattr(evaluation, "evaluate_generator", fake)
    (media / "list.txt").write_text("face sound\nface face\n")
    output = media / "out"
    code = run("evaluate", "--model", "m", "--filelist", media / "list.txt", "-o", output)
    captured = capsys.readouterr()
    assert code == 2  # none was scored; the report is written nevertheless
    assert "none of 1 generated videos could be scored, first g: no face" in captured.err
    assert "left out: g: no face" in captured.out
    assert [(p.video.name, p.audio.name) for p in seen["pairs"]] == [
        ("face.mp4", "sound.wav"), ("face.mp4", "face.mp4"),
    ]  # fmt: skip
    assert "Lip-sync scores of m" in (output / "report.html").read_text()


def test_bench_prints_its_table_and_where_the_page_is(tmp_path, monkeypatch, capsys):
    seen = {}
    rows = [Row(kind, "a", 9, d, 1.0, 0) for kind, d in (("real", 1.0), ("x", 1.5))]
    result = BenchResult(rows, ["x"], {"a": {}}, "judge", "bench-1", 15, {})
    monkeypatch.setattr(evaluation, "bench", lambda **options: seen.update(options) or result)
    assert run("bench", "dubs", "-o", tmp_path, "--systems", "x, y", "--workers", "2") == 0
    out = capsys.readouterr().out
    assert "distance" in out
    assert out.endswith(f"{tmp_path / 'index.html'}\n")
    del seen["progress"]
    assert seen == {
        "folder": "dubs", "output": str(tmp_path), "systems": ["x", "y"], "workers": 2,
    }  # fmt: skip
    assert run("bench", "dubs", "-o", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["bench"] == "bench-1"


def test_bench_of_an_empty_folder_is_one_line_and_2(tmp_path, capsys):
    assert run("bench", tmp_path, "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path}: holds no real videos; put them into")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_calibrate_prints_and_keeps(monkeypatch, capsys):
    seen = {}

    def fake(judge, root, **options):
        seen.update(options, judge=judge, root=root)
        return Calibration(5, (-6.0, 20.0, 0.5), (20, 70), 0.9, ["ann"], 12, "clips")

    monkeypatch.setattr(evaluation, "calibrate_file", fake)
    command = ("calibrate", "j.safetensors", "--data", "set")
    assert run(*command, "--splits", "val", "test", "--without", "s1", "--level", "0.8") == 0
    del seen["progress"]
    assert seen == {
        "judge": "j.safetensors", "root": "set", "splits": ["val", "test"], "without": ["s1"],
        "level": 0.8,
    }  # fmt: skip
    assert capsys.readouterr().out.startswith("sure from a probability of 0.9; calibrated on 12 cl")
    assert run(*command, "--json") == 0
    assert json.loads(capsys.readouterr().out)["people"] == ["ann"]


def test_calibrate_wants_a_file_with_a_card(capsys):
    assert run("calibrate", "expert-grid", "--data", "set") == 2
    assert "has no card to keep it in; name a .safetensors with -o" in capsys.readouterr().err


# ---------------------------------------------------------------- export, doctor


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
    assert run("doctor") == 0
    facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert facts["torch"].startswith(torch.__version__.split("+")[0])
    assert run("doctor", tmp_path / "none.pth") == 2


def test_a_reader_that_leaves_early_gets_no_traceback():
    code = "from lipsync.errors import exit_on_error\nwith exit_on_error(): print('a table')"
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (1, "")


def test_export_refuses(models, tmp_path, capsys):
    source = models / "generator.safetensors"
    assert run("export", source, "-o", tmp_path / "x.bin") == 2
    assert ".onnx, .safetensors, .pth" in capsys.readouterr().err
    assert run("export", source, "-o", tmp_path / "x.pth") == 2  # not of the published size
    assert run("export", "nothing", "-o", tmp_path / "x.pth") == 2
    assert run("export", source, "-o", tmp_path / "x.onnx", "--share", "0.3") == 2
    capsys.readouterr()
    assert run("export", source, "-o", tmp_path / "x.onnx", "--card", __file__) == 2
    assert "a card belongs to" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_export_writes_a_card(models, tmp_path):
    (tmp_path / "card.yaml").write_text("{licence: MIT, data: my own footage}")
    copy = tmp_path / "copy.safetensors"
    command = "export", models / "generator.safetensors", "-o", copy
    assert run(*command, "--card", tmp_path / "card.yaml") == 0
    assert load_model(copy).card["data"] == "my own footage"
