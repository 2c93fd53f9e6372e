"""``lipsync evaluate``, ``bench`` and ``calibrate``: what they print, write and refuse."""

import json

import pytest
from command_media import run

from lipsync import evaluation
from lipsync.evaluation import BenchResult, Calibration, Report, Row


def test_evaluate_wants_real_videos(media, capsys):
    assert run("evaluate", media / "face.mp4") == 2
    assert "error: no real videos" in capsys.readouterr().err
    # --real takes all arguments after it
    assert run("evaluate", "--real", media / "face.mp4", media / "face.mp4") == 2
    assert "error: no generated videos; name them before --real" in capsys.readouterr().err


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
    said = capsys.readouterr().err
    assert "scores.json: cannot be read" in said
    assert "; name a folder that lipsync evaluate wrote" in said


def test_evaluate_of_nothing_that_can_be_scored(media, models, capsys):
    face, judge = media / "face.mp4", models / "expert.safetensors"
    assert run("evaluate", face, "--real", face, "--judge", judge, "--quiet") == 2
    error = capsys.readouterr().err
    assert "none of 1 generated videos could be scored" in error
    assert "has no sound" in error


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--model", "m", "--root", "r"], "needs an output folder; name it with -o"),
        (["--model", "m", "-o", "o"], "name a folder of videos with --root, or a --filelist"),
        (["--model", "m", "-o", "o", "--real", "r", "--root", "r"], "leave out GENERATED"),
        (["--model", "m", "-o", "o", "--filelist", "f", "--seed", "1"], "--filelist names them"),
        (["a", "--real", "r", "--count", "3"], "--count requires --model"),
        (["a", "--real", "r", "--allow-training-judge"], "--allow-training-judge requires --model"),
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
    assert code == 2  # none was scored, but the report is written
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
    assert capsys.readouterr().out.startswith("accepted from probability 0.9; calibrated on 12 cl")
    assert run(*command, "--json") == 0
    assert json.loads(capsys.readouterr().out)["people"] == ["ann"]


def test_calibrate_wants_a_file_with_a_card(capsys):
    assert run("calibrate", "syncnet-open", "--data", "set") == 2
    assert "has no card to store the calibration in; name a .safe" in capsys.readouterr().err
