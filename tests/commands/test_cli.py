"""The commands: exit codes, one-line errors, options in step with the functions' parameters."""

import argparse
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from command_media import run

from lipsync import cli, dubbing, evaluation, translation
from lipsync.dubbing import command as dub_command
from lipsync.dubbing.options import KNOWN
from lipsync.dubbing.result import ReferencesUsed
from lipsync.dubbing.speakers import POSITIONS, SYNC
from lipsync.evaluation.videos import PROTOCOLS
from lipsync.faces.detect import DETECTORS


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
        ("dub", dubbing.dub, {"help", "plugin", "json", "quiet", "config", "batch", "jobs"}),
        (
            "bench",
            evaluation.bench,
            {"help", "plugin", "json", "quiet", "command", "name", "failed"},
        ),
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
                "identity",
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
            assert f"default: {parameter.default}" in given[name]  # the help is correct
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
    assert list(action("evaluate", "protocol").choices) == list(PROTOCOLS)
    assert (*POSITIONS, SYNC) == dub_command.FACES


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("dub f.mp4 a.wav -o o.mp4 --length lop", "--length: invalid choice: 'lop'"),
        ("dub f.mp4 a.wav -o o.mp4 --detector eye", "--detector: invalid choice: 'eye'"),
        ("dub f.mp4 a.wav -o o.mp4 --face lft", "--face: 'lft' is not largest, left"),
        ("dub f.mp4 -o o.mp4 --face left= --face 1=b.wav", "--face: left= has no sound"),
        ("dub f.mp4 -o o.mp4 --face left=a.wav --face 1", "--face: with several faces each"),
        ("dub f.mp4 -o o.mp4 --face 1=a.wav --face 1=b.wav", "--face: 1 is given twice"),
        ("dub f.mp4 -o o.mp4 --face left", "the following arguments are required: AUDIO"),
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
    for _ in range(3):  # other load may slow one of them down
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
    seen.clear()
    sounds = ["--face", "left=a=b.wav", "--face", "310,120=c.wav"]
    assert run("dub", "f", "-o", "o.mp4", *sounds, "--quiet") == 0
    assert seen["faces"] == {"left": "a=b.wav", "310,120": "c.wav"}
    assert seen["audio"] is None


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
        ("face.mp4", "sound.wav", "no/out.mp4", "generator", "no such folder"),
        ("face.mp4", "sound.wav", "face.mp4", "generator", "is the input file"),
        ("face.mp4", "sound.wav", "out.mp4", "expert", "is a SyncNet, which cannot dub"),
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
    assert "error: device cuda is not available" in capsys.readouterr().err
    face, judge = media / "face.mp4", models / "expert.safetensors"
    assert run("evaluate", face, "--real", face, "--judge", judge, "--device", "gpu") == 2
    said = "error: device gpu is not available; use cpu, cuda, cuda:1 or mps\n"
    assert capsys.readouterr().err == said


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


def test_a_reader_that_leaves_early_gets_no_traceback():
    code = "from lipsync.errors import exit_on_error\nwith exit_on_error(): print('a table')"
    command = [sys.executable, "-c", code]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
