"""``lipsync translate``: options, the YAML file, one-line errors."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from translation_media import Beeps, Hears, Reverses, make_talk

from lipsync import cli
from lipsync.errors import ConfigError
from lipsync.media import VideoWriter, write_audio
from lipsync.translation import Options, engines, read_options


def run(*arguments: str | Path) -> int:
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    return make_talk(tmp_path / "talk.mp4")


@pytest.fixture
def faked(monkeypatch) -> None:
    """Engines for every stage that need no package."""
    loaded = {"recognise": Hears(), "translate": Reverses(), "speak": Beeps()}
    monkeypatch.setattr(
        "lipsync.translation.job.choose",
        lambda stage, *_: engines.Choice(loaded[stage].name, lambda: loaded[stage]),
    )


@pytest.mark.usefixtures("faked")
def test_the_command_says_what_it_did(talk: Path, capsys) -> None:
    out = talk.with_name("out.mp4")
    assert run("translate", talk, "--to", "es", "-o", out, "--until", "fit", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["source"], result["target"], result["output"]) == ("en", "es", None)
    assert result["lines"][0] == [0.5, 1.5, "good morning", "gninrom doog"]
    assert run("translate", talk, "--to", "es", "-o", out, "--until", "fit") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "gninrom doog" in lines[0]
    assert any(line.startswith("speak") and "nothing made" in line for line in lines)
    assert "out.work" in lines[-1]


@pytest.mark.usefixtures("faked")
def test_a_file_of_options_and_those_given_before_it(talk: Path, capsys) -> None:
    config = talk.with_name("options.yaml")
    config.write_text("to: fr\nfrom: en\nuntil: recognise\nbackground: 0.5\n")
    out = talk.with_name("out.mp4")
    arguments = ("translate", talk, "-o", out, "--config", config, "--until", "translate", "--json")
    assert run(*arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["target"] == "fr"
    assert set(result["made"]) == {"recognise", "translate"}
    assert Options(to="hin_Deva").to == "hi"
    options = read_options(config, {"until": "fit", "dub": {"model": "m"}})
    assert (options.source, options.background, options.until) == ("en", 0.5, "fit")
    assert options.dub == {"model": "m"}
    config.write_text("to: fr\ndub: {model: n, min-face: 20}\n")
    assert read_options(config, {}).dub == {"model": "n", "min_face": 20}
    given = read_options(config, {"dub": {"model": "m"}})
    assert given.dub == {"model": "m", "min_face": 20}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("to: es\nfastst: 2", "unknown option 'fastst'"),
        ("to: es\nfastest: fast", "fastest must be float, got 'fast'"),
        ("to: es\nfastest: 3", "fastest must be 1 to 2, got 3"),
        ("to: es\nuntil: lunch", "until must be one of recognise"),
        ("to: es\nbackground: -1", "background must be 0 to 1"),
        ("to: elvish", "unknown language 'elvish'"),
        ("from: en", "no language to translate to; name one with --to"),
        ("- es", "contains no options; write lines of 'option: value'"),
        ("to: [es", "is not YAML"),
        ("to: es\ndub: yes", "dub must be dict, got True"),
        ("to: es\ndub: {crf: high}", "options.yaml: dub: crf must be int, got 'high'"),
        ("to: es\ndub: {spaeker: left}", "options.yaml: dub: unknown option 'spaeker'"),
        ("to: es\ndub: {output: x.mp4}", "options.yaml: dub: unknown option 'output'"),
        ("to: es\nvoice: no", "voice must be str or dict or null, got False"),
        ("to: es\nasr: 1", "asr must be str, got 1"),
        ("to: 5", "unknown language '5'"),
    ],
)
def test_options_that_cannot_work(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "options.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        read_options(path, {})
    assert "\n" not in str(caught.value)


def test_every_option_is_on_the_command_line() -> None:
    parser = cli._parser()._subparsers._group_actions[0].choices["translate"]
    options = {action.dest for action in parser._actions}
    own = {"help", "json", "quiet", "video", "output", "work", "config", "model", "plugin", "proof"}
    assert options - own == {field.name for field in fields(Options)} - {"dub"}
    said = {action.dest: action.help for action in parser._actions}
    for name in ("slowest", "fastest"):
        assert f"default: {getattr(Options, name)}" in said[name]


@pytest.mark.parametrize(
    ("video", "output", "more", "problem"),
    [
        ("missing.mp4", "out.mp4", (), "missing.mp4: no such file"),
        ("mute.mp4", "out.mp4", (), "mute.mp4: has no sound"),
        ("sound.wav", "out.mp4", (), "sound.wav: has no video"),
        ("talk.mp4", "out.gif", (), "'.gif' is not a video suffix"),
        ("talk.mp4", "no/out.mp4", (), "no such folder"),
        ("talk.mp4", "talk.mp4", (), "is the input file"),
        ("talk.mp4", "out.mp4", ("--to", "xx"), "unknown language 'xx'"),
        (
            "talk.mp4",
            "out.mp4",
            ("--asr", "ears"),
            "unknown engine 'ears' to recognise",
        ),
        ("talk.mp4", "out.mp4", ("--config", "none.yaml"), "none.yaml: cannot be read"),
        ("talk.mp4", "out.mp4", ("--transcript", "a.srt"), "a.srt: cannot be read"),
        ("talk.mp4", "out.mp4", ("--subtitles", "a.srt"), "a.srt: cannot be read"),
        ("talk.mp4", "out.mp4", ("--glossary", "a.csv"), "a.csv: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_code_2(talk: Path, capsys, video, output, more, problem) -> None:
    folder = talk.parent
    with VideoWriter(folder / "mute.mp4", 25, (32, 32)) as mute:
        mute.write(np.zeros((32, 32, 3), np.uint8))
    write_audio(folder / "sound.wav", np.zeros(16_000, np.float32))
    code = run("translate", folder / video, "-o", folder / output, "--to", "es", *more)
    error = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(error) == 1
    assert problem in error[0]
