"""``lipsync completion``: options, choices and files, completed by the shell."""

import shutil
import subprocess

import pytest
from command_media import run

ASK = """
{script}
compopt() {{ :; }}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_lipsync lipsync "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("lipsync tr", {"train", "translate"}),
        ("lipsync translate --t", {"--to", "--transcript", "--translator", "--tts"}),
        ('lipsync dub --no-face ""', {"pass", "hold", "error"}),
        ("lipsync dub a.m", {"a.mp4"}),
        ("lipsync dub a.mp4 b.wav -o out", {"outside"}),
    ],
)
def test_what_a_shell_offers(tmp_path, capsys, words, found):
    pytest.importorskip("shtab", reason="needs the extra completion")
    (tmp_path / "a.mp4").touch()
    (tmp_path / "outside").mkdir()
    assert run("completion", "bash") == 0
    asked = ASK.format(script=capsys.readouterr().out, words=words)
    done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True)
    assert set(done.stdout.split()) == found, done.stderr


def test_every_shell_has_a_script_and_others_none(capsys):
    pytest.importorskip("shtab", reason="needs the extra completion")
    for shell in ("bash", "zsh", "tcsh"):
        assert run("completion", shell) == 0
        assert "translate" in capsys.readouterr().out
    assert run("completion", "fish") == 2
    assert "invalid choice: 'fish'" in capsys.readouterr().err


def test_without_shtab(monkeypatch, capsys):
    monkeypatch.setattr("lipsync.completion.find_spec", lambda name: None)
    assert run("completion", "bash") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line == "error: completion needs shtab; pip install -c constraints.txt -e '.[completion]'"
    )
