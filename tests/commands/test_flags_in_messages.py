"""Errors name options as the command writes them, and as Python does elsewhere."""

import pytest

from lipsync import cli
from lipsync.commands import with_flags
from lipsync.dubbing.options import sorted_options
from lipsync.errors import ConfigError


@pytest.mark.parametrize(
    ("command", "message", "shown"),
    [
        ("dub", "a.mp4: no face; lower `min_face`", "a.mp4: no face; lower --min-face"),
        ("dub", "`reference` requires `faces=sync`", "--reference requires --face sync"),
        ("dub", "`until` must be after `start`", "--until must be after --from"),
        ("dub", "crf must be 0 to 51, got 77", "--crf must be 0 to 51, got 77"),
        ("adapt", "batches=0: must be a whole number", "--batches 0: must be a whole number"),
        ("bench", "trials=-1: must be a whole number", "--trials -1: must be a whole number"),
        # what is not an option of the command, or only looks like one
        ("adapt", "lower `min_face`", "lower `min_face`"),
        ("dub", "faces=anna/crf: no such file", "faces=anna/crf: no such file"),
        ("dub", "list.csv: line 2: crf must be int", "list.csv: line 2: crf must be int"),
        (
            "dub",
            "min_face.mp4: the model has no lips code",
            "min_face.mp4: the model has no lips code",
        ),
    ],
)
def test_options_become_flags(command, message, shown):
    commands = cli._parser()._subparsers._group_actions[0].choices
    assert with_flags(message, commands[command]) == shown


def test_an_error_of_a_function_in_both_forms(tmp_path, monkeypatch, capsys):
    with pytest.raises(ConfigError, match=r"^`until` must be after `start`, got 1 and 2$"):
        sorted_options({"start": "2", "until": "1"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        cli.main(["dub", "a.mp4", "b.wav", "-o", "o.mp4", "--from", "2", "--until", "1"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: --until must be after --from, got 1 and 2\n"
