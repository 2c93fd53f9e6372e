"""Dubs made for the benchmark by a command: complete, resumed, and failures."""

import shlex
import sys

import pytest
from evaluation_media import talking_video

from lipsync import cli
from lipsync.errors import ConfigError
from lipsync.evaluation import make_dubs
from lipsync.evaluation.benchmark.making import split_command
from lipsync.media import probe

TOOL = """
import shutil, sys
from pathlib import Path
video, sound, output = sys.argv[1].removeprefix("--video="), *sys.argv[2:]
with (Path(__file__).parent / "calls.txt").open("a") as log:
    print(Path(video).stem, Path(sound).stem, file=log)
if Path(video).stem == "fails":
    print("many words")
    sys.exit("face is too small\\n")
if Path(video).stem == "half":
    Path(output).write_bytes(Path(video).read_bytes()[:900])
elif Path(video).stem != "nothing":
    shutil.copy(video, output)
"""


@pytest.fixture
def folder(tmp_path):
    """A benchmark folder whose name a shell would split."""
    root = tmp_path / "a b; touch {sound} $HOME"
    for name in ("fails", "good", "half", "nothing", "without"):
        talking_video(root / "real" / f"{name}.mp4", 20)
        if name != "without":
            talking_video(root / "sound" / f"{name}.mp4", 20)
    (tmp_path / "tool.py").write_text(TOOL)
    return root


@pytest.fixture
def command(tmp_path):
    words = [sys.executable, str(tmp_path / "tool.py"), "--video={video}", "{sound}", "{output}"]
    return shlex.join(words)


def calls(tmp_path):
    log = tmp_path / "calls.txt"
    return log.read_text().split("\n")[:-1] if log.exists() else []


def test_dubs_are_made_whole_and_failures_are_named(folder, command, tmp_path):
    why = {row.video: row.problem for row in make_dubs(folder, "mine", command)}
    assert probe(folder / "mine" / "good.mp4").width == 96
    assert sorted(p.name for p in (folder / "mine").iterdir()) == ["command.json", "good.mp4"]
    assert why["fails"] == "fails.mp4: the command ended with 1: face is too small"
    assert why["nothing"] == "nothing.mp4: the command wrote no file: it printed nothing"
    assert why["half"].startswith("half.mp4: the command wrote no video (")
    assert why["without"] == "without.mp4: no sound of this name in sound/"
    assert "good good" in calls(tmp_path)


def test_what_is_made_is_not_made_again(folder, command, tmp_path):
    make_dubs(folder, "mine", command)
    before = len(calls(tmp_path))
    make_dubs(folder, "mine", command)
    again = calls(tmp_path)[before:]
    assert again == ["fails fails", "half half", "nothing nothing"]  # and no existing ones
    talking_video(folder / "sound" / "good.mp4", 20, shift=3)
    make_dubs(folder, "mine", command)
    assert calls(tmp_path)[before + 3 :].count("good good") == 1  # a different sound
    with pytest.raises(ConfigError, match=r"holds dubs of the command .*; choose another --name"):
        make_dubs(folder, "mine", f"{command} --fast")
    (folder / "mine" / "command.json").unlink()
    with pytest.raises(ConfigError, match="holds dubs of no command that is known"):
        make_dubs(folder, "mine", command)


def test_an_interrupted_command_goes_on(folder, command, tmp_path):
    def stop(name, done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_dubs(folder, "mine", command, stop)
    assert calls(tmp_path) == ["fails fails", "good good"]
    make_dubs(folder, "mine", command)
    assert calls(tmp_path).count("good good") == 1


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("none-such {video} {sound} {output}", "none-such cannot be run (No such file"),
        ("/etc/hostname {video} {sound} {output}", "/etc/hostname cannot be run ("),
        ("tool {video} {output}", "lacks the placeholders {sound}"),
        ("{video} {sound} {output}", "lacks the placeholders {video}"),
        ("tool '{video} {sound} {output}", "no closing quotation"),
        ("", "lacks the placeholders"),
        (
            "false {video} {sound} {output}",
            "produced none of 5 dubs; first fails: fails.mp4: the com",
        ),
    ],
)
def test_a_command_that_cannot_be_run_is_one_line(folder, tmp_path, capsys, command, problem):
    with pytest.raises(SystemExit) as left:
        cli.main(
            ["bench", str(folder), "-o", str(tmp_path / "o"), "--command", command, "--name", "m"]
        )
    said = capsys.readouterr().err.strip()
    assert left.value.code == 2
    assert problem in said
    assert "\n" not in said
    assert not (tmp_path / "o").exists()
    assert not (folder / "m").exists()


def test_a_folder_without_sounds_or_a_bad_name_is_an_error(folder, command, tmp_path):
    for name in ("real", "sound", "../out", ".hidden", "real, crf 18"):
        with pytest.raises(ConfigError, match="is not a valid folder name"):
            make_dubs(folder, name, command)
    (folder / "sound").rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"nothing to dub; add sound/NAME\.wav"):
        make_dubs(folder, "mine", command)
    with pytest.raises(SystemExit):
        cli.main(["bench", str(folder), "-o", str(tmp_path / "o"), "--command", command])


def test_places_are_filled_once_and_quotes_keep_words_together():
    assert split_command("run 'a b' --in={video} {sound} {output}")[1:3] == ["a b", "--in={video}"]
