"""The command ``lipsync voice``."""

import json

import numpy as np
import pytest
from voices import RATE, speak

from lipsync.cli import main
from lipsync.media import read_audio, write_audio


@pytest.fixture
def sounds(tmp_path):
    write_audio(tmp_path / "in.wav", speak(0.6, 110.0), RATE)
    write_audio(tmp_path / "reference.wav", speak(0.6, 220.0, 1.17), RATE)
    write_audio(tmp_path / "silent.wav", np.zeros(RATE, np.float32), RATE)
    write_audio(tmp_path / "short.wav", np.full(400, 0.1, np.float32), RATE)
    return tmp_path


def test_it_writes_a_file_and_says_so(sounds, capsys):
    out = sounds / "out.wav"
    reference = str(sounds / "reference.wav")
    assert (
        main(["voice", str(sounds / "in.wav"), "--reference", reference, "-o", str(out), "--json"])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["voice"] == reference
    assert len(read_audio(out)) == len(read_audio(sounds / "in.wav"))


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("silent", ["--reference", "reference.wav"], "silent.wav: contains no voiced sound"),
        (
            "short",
            ["--reference", "reference.wav"],
            "short.wav: 0.03 s of sound, but at least 0.1",
        ),
        ("in", ["--reference", "silent.wav"], "silent.wav: contains no voiced sound"),
        ("in", ["--reference", "missing.wav"], "missing.wav"),
        ("in", ["--model", "missing.ckpt"], "missing.ckpt"),
        ("in", [], "name a voice"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(sounds, capsys, name, options, problem):
    options = [str(sounds / x) if "." in x else x for x in options]
    with pytest.raises(SystemExit) as ended:
        main(["voice", str(sounds / f"{name}.wav"), *options, "-o", str(sounds / "out.wav")])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert problem in error
    assert not (sounds / "out.wav").exists()


@pytest.mark.parametrize("name", ["in", "reference"])
def test_what_it_reads_is_not_overwritten(sounds, capsys, name):
    before = (sounds / f"{name}.wav").read_bytes()
    (sounds / "link.wav").symlink_to(sounds / f"{name}.wav")
    for output in (f"{name}.wav", "link.wav"):
        arguments = [str(sounds / "in.wav"), "--reference", str(sounds / "reference.wav")]
        with pytest.raises(SystemExit) as ended:
            main(["voice", *arguments, "-o", str(sounds / output)])
        assert ended.value.code == 2
        assert f"{output}: is the input file" in capsys.readouterr().err
    assert (sounds / f"{name}.wav").read_bytes() == before
