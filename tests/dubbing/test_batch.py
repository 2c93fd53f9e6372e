"""Batch dubbing: the list file, completed, skipped and failed dubs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from dubbing_media import FixedDetector, Hearing, make_video, tone

from lipsync import cli
from lipsync.dubbing import DubResult, batch, dub_batch, dubbers
from lipsync.dubbing.batch_list import read_batch
from lipsync.errors import ConfigError, LipsyncError
from lipsync.media import probe, write_audio

TINY = {"detector": FixedDetector(), "match": False}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two faces and a sound outside the working directory."""
    folder = tmp_path / "média, no 1"
    folder.mkdir()
    for name in ("a", "b"):
        make_video(folder / f"{name}.mp4", 10)
    write_audio(folder / "s.wav", tone(0.4))
    return folder


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


LIST = "face,audio,output,crf,min-face,gate\na.mp4,s.wav,1.mp4,,,\nb.mp4,s.wav,2.mkv,30,20,no\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_list_as_people_save_it(folder: Path, encoding: str, newline: str) -> None:
    path = write(folder / "l.csv", LIST.replace("\n", newline), encoding)
    one, two = read_batch(path, {"crf": 20})
    assert (one.face, one.audio, one.output) == (
        folder / "a.mp4",
        folder / "s.wav",
        folder / "1.mp4",
    )
    assert one.options == {"crf": 20}
    assert two.options == {"crf": 30, "min_face": 20, "gate": False}
    excel = write(folder / "e.csv", LIST.replace(",", ";").replace("\n", newline), encoding)
    assert [e.options for e in read_batch(excel, {})] == [{}, two.options]


def test_a_list_in_yaml_and_its_paths(folder: Path) -> None:
    write(folder / "mine.safetensors", "")
    text = """
- {face: a.mp4, audio: /abs/s.wav, output: 1.mp4, model: mine.safetensors, tracks: t.json}
- {face: b.mp4, audio: s.wav, output: 2.mp4, model: wav2lip-gan-grid, no-face: hold, crf: }
"""
    one, two = read_batch(write(folder / "l.yaml", text, "utf-8-sig"), {})
    assert one.audio == Path("/abs/s.wav")
    assert one.options == {"model": folder / "mine.safetensors", "tracks": folder / "t.json"}
    assert two.options == {"model": "wav2lip-gan-grid", "no_face": "hold"}


def test_several_faces_with_their_own_sounds(folder: Path) -> None:
    text = """face,audio,output,faces
a.mp4,,1.mp4,left=s.wav; right = /abs/s=1.wav;
a.mp4,s.wav,2.mp4,"0=s.wav;120,40=t.wav"
a.mp4,s.wav,3.mp4,"120,40"
"""
    one, two, three = read_batch(write(folder / "l.csv", text), {})
    assert one.audio is None
    assert one.options == {"faces": {"left": folder / "s.wav", "right": Path("/abs/s=1.wav")}}
    assert folder / "s.wav" in one.inputs
    assert two.audio == folder / "s.wav"
    assert two.options["faces"] == {"0": folder / "s.wav", "120,40": folder / "t.wav"}
    assert three.options == {"faces": "120,40"}
    excel = 'face;output;faces\na.mp4;1.mp4;"left=s.wav;right=t.wav"\n'
    (entry,) = read_batch(write(folder / "e.csv", excel), {})
    assert entry.options["faces"] == {"left": folder / "s.wav", "right": folder / "t.wav"}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("l.csv", "face,audio,output,min-face,Min_Face\na,b,c.mp4,1,2\n", "its header has two "
         "columns min_face; keep one"),
        ("l.csv", "face,audio,output,faces\na,,c.mp4,left=a.wav;right\n", "line 2: faces: 'right'"
         " has no sound; write right=SOUND"),
        ("l.csv", "face,audio,output,faces\na,,c.mp4,left=a.wav;left=b.wav\n", "line 2: faces: "
         "left is given twice"),
        ("l.csv", "face,audio,output,faces\na,,c.mp4,lft=a.wav\n", "line 2: face must be largest"),
        ("l.csv", "face,output,faces\na,c.mp4,left\n", "line 2: has no audio"),
        ("l.csv", "", "l.csv: its header has no column face"),
        ("l.csv", "face,audio\na,b\n", "its header has no column output"),
        ("l.csv", "face,audio,output\n", "lists nothing to dub"),
        ("l.csv", "face,audio,output\na,b,c.mp4\na,,d.mp4\n", "line 3: has no audio"),
        ("l.csv", "face,audio,output\na,b,c.mp4,d\n", "line 2: has 4 cells, but the header has 3"),
        ("l.csv", "face,audio,output\na,b,c.gif\n", "line 2: .*c.gif: '.gif' is not a video "
                                                    "suffix"),
        ("l.csv", "face,audio,output,crf\na,b,c.mp4,low\n", "line 2: crf must be int, got 'low'"),
        ("l.csv", "face,audio,output,crf\na,b,c.mp4,77\n", "line 2: crf must be 0 to 51, got 77"),
        ("l.csv", "face,audio,output,gate\na,b,c.mp4,x\n", "line 2: gate must be bool, got 'x'"),
        ("l.csv", "face,audio,output,sped\na,b,c.mp4,1\n", "line 2: unknown option 'sped'"),
        ("l.csv", "face,audio,output\na,b,c.mp4\nd,e,c.mp4\n", "line 3: writes .*, and so does "
                                                               ".*2"),
        ("l.csv", "face,audio,output\na,b\0,c.mp4\n", "line 2: is not text"),
        ("l.yaml", "- {face: a, audio: b}", "entry 1: has no output"),
        ("l.yaml", "face: a", "is not a list of dubs"),
        ("l.yaml", "[", "is not YAML"),
        ("l.yaml", "- {face: a, audio: b, output: c.mp4, crf: x}", "entry 1: crf must be int"),
    ],
)  # fmt: skip
def test_a_bad_list_is_refused_before_any_work(folder: Path, name, text, problem) -> None:
    with pytest.raises(LipsyncError, match=problem) as caught:
        dub_batch(write(folder / name, text))
    assert "\n" not in str(caught.value)


def test_what_fails_does_not_stop_the_rest_and_what_is_done_is_skipped(folder: Path) -> None:
    rows = "a.mp4,s.wav,1.mp4\nlost.mp4,s.wav,2.mp4\nb.mp4,s.wav,3.mp4\n"
    path = write(folder / "l.csv", "face,audio,output\n" + rows)
    model, seen = Hearing(), []
    model.name = "mine"
    result = dub_batch(path, model=model, progress=lambda *now: seen.append(now), **TINY)
    assert [one.output.name for one in result.done] == ["1.mp4", "3.mp4"]
    assert result.done[0].model == "mine"
    assert result.skipped == []
    (failure,) = result.failed
    assert "l.csv: line 3: " in failure
    assert "lost.mp4: no such file" in failure
    assert seen[0] == ("1 of 3: 1.mp4", 1, 10)
    assert seen[-1] == ("3 of 3: 3.mp4", 10, 10)
    assert str(result).endswith("l.csv: 2 dubbed, 0 there already, 1 failed")
    assert len(result.as_dict()["done"]) == 2

    make_video(folder / "lost.mp4", 10)
    (folder / "3.mp4").unlink()
    again = dub_batch(path, model=model, **TINY)
    assert [one.output.name for one in again.done] == ["2.mp4", "3.mp4"]
    assert again.skipped == [folder / "1.mp4"]
    other = dub_batch(path, model=model, crf=30, **TINY)  # different options
    assert len(other.done) == 3
    make_video(folder / "b.mp4", 8)
    changed = dub_batch(path, model=model, crf=30, **TINY)
    assert [one.output.name for one in changed.done] == ["3.mp4"]
    assert probe(folder / "3.mp4").has_video


def test_a_model_is_loaded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads, used = [], []

    def load(model, device):
        loads.append((model, device))
        return Hearing(), "named"

    def dub(face, audio, output, **options) -> None:
        used.append(options["model"])
        raise ConfigError("enough")

    monkeypatch.setattr(dubbers, "load_generator", load)
    monkeypatch.setattr(dubbers, "dub", dub)
    dub_batch(write(folder / "l.csv", LIST))
    assert len(loads) == 1
    assert used[0] is used[1]
    assert used[0].name == "named"


def test_an_error_of_the_program_does_not_stop_the_rest(folder: Path, caplog) -> None:
    caplog.set_level(logging.CRITICAL)
    result = dub_batch(write(folder / "l.csv", LIST), model=Hearing(fail_at=3), **TINY)
    assert len(result.failed) == 2
    assert "line 2: failed unexpectedly (RuntimeError: the generator fails)" in result.failed[0]
    assert not (folder / "1.mp4").exists()


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def dub(face, audio, output, **options) -> DubResult:
        raise ConfigError(f"no {output.name}, crf {options['crf']}")

    monkeypatch.setattr(dubbers.Dubber, "_load_model", lambda *_: None)
    monkeypatch.setattr(dubbers, "dub", dub)
    path = write(folder / "l.csv", LIST)
    with pytest.raises(SystemExit) as stop:
        cli.main(["dub", "--batch", str(path), "--crf", "20"])
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == f"{path}: 0 dubbed, 0 there already, 2 failed\n"
    assert err.splitlines() == [
        f"error: {path}: line 2: no 1.mp4, crf 20",
        f"error: {path}: line 3: no 2.mkv, crf 30",
    ]
    for wrong in (["dub", "a.mp4", "--batch", str(path)], ["dub", "a.mp4", "s.wav"]):
        with pytest.raises(SystemExit) as stop:
            cli.main(wrong)
        assert stop.value.code == 2


def test_models_in_a_folder_are_inputs(folder: Path) -> None:
    (folder / "people").mkdir()
    person = folder / "people" / "anna.safetensors"
    person.write_bytes(b"1")
    text = "face,audio,output,model\na.mp4,s.wav,1.mp4,people/\n"
    (entry,) = read_batch(write(folder / "l.csv", text), {})
    before = batch._fingerprint(entry)
    assert batch._fingerprint(entry) == before
    person.write_bytes(b"22")
    assert batch._fingerprint(entry) != before
