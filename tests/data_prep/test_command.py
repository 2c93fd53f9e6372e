"""``python -m data_prep`` as a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import forked
import pytest
from footage_media import moving, video

from lipsync.data.store import open_clip, open_set


def test_command(tmp_path: Path) -> None:
    given, made = "été, prise (1)", "l'essai #2 = a&b"
    (tmp_path / given / "ann").mkdir(parents=True)
    (tmp_path / "none").mkdir()
    video(tmp_path / given / "ann/plain.mp4", moving(15))
    options = (
        "workers=0", "judge=null", "image_size=64", "min_seconds=0.5", "features=[liftered_mel]"
    )  # fmt: skip
    good = subprocess.run(
        [sys.executable, "-m", "data_prep", f"source={given}", f"output={made}", *options],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert good.returncode == 0, good.stderr
    assert "kept 1 clips from 1 files" in good.stdout
    assert "\n  train         1       1        1       0.0\n" in good.stdout
    assert "warning: no clips for val and test: the source has too few videos" in good.stdout
    assert "liftered_mel: added to 1 clips, 0 already had it" in good.stdout
    clip = open_clip(tmp_path / made, "ann/plain")
    assert clip.size == 64
    assert {path.stem for path in clip.path.glob("*.npy")} == {
        "faces", "mel", "lipgan_mfcc", "syncnet_mfcc", "liftered_mel"
    }  # fmt: skip
    assert {p.name for p in tmp_path.iterdir()} == {given, "none", made}  # and no log folders


def test_shards_from_the_command_line(tmp_path: Path) -> None:
    given, made = "été, prise (1)", "l'essai #2 = a&b"
    (tmp_path / given / "ann").mkdir(parents=True)
    video(tmp_path / given / "ann/plain.mp4", moving(15))
    options = (
        "workers=0", "judge=null", "image_size=64", "min_seconds=0.5", "features=[liftered_mel]"
    )  # fmt: skip
    result = forked.run(
        "-m", "data_prep", f"source={given}", f"output={made}", "form=shards", *options,
        cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "kept 1 clips from 1 files" in result.stdout
    clip = open_set(tmp_path / made).open("ann/plain")
    assert (clip.size, len(clip)) == (64, 15)
    assert clip.array("liftered_mel.npy") is not None
    assert {p.name for p in tmp_path.iterdir()} == {given, made}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["output=out"], "source not given"),
        (["source=empty", "output=out"], "source=empty: contains no video"),
        (["source=missing", "output=out"], "source=missing: no such folder"),
        (
            ["source=face.mp4", "output=out"],
            "source=face.mp4: is a file; name its folder, source=.",
        ),
        (["source=bad", "output=out", "stride=five"], "stride must be int, got 'five'"),
        (["source=bad", "output=out", "workers=two"], "workers must be a whole number"),
        (
            ["source=bad", "output=out", "splits=5"],
            "splits must map names to shares",
        ),
        (
            ["source=bad", "output=out", "+splits.a=[x]", "+splits.b=[x]"],
            "splits.a and splits.b bo",
        ),
        (
            ["source=leak", "output=out"],
            "source=leak: 1 clips are in two of its lists, the first x in",
        ),
        (["source=bad", "output=out", "workers=0"], "no clips were kept"),
        (["source=bad", "output=out2", "workers=0", "form=shards"], "no clips were kept"),
        (["plan", "source=s3://a/b"], "source=s3://a/b: plan needs a local folder"),
    ],
)
def test_command_errors_are_one_line_and_code_2(
    tmp_path: Path, arguments: list[str], problem: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "face.mp4").write_bytes(b"")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/x.mp4").write_bytes(b"")
    (tmp_path / "leak/filelists").mkdir(parents=True)
    (tmp_path / "leak/x.mp4").write_bytes(b"")
    for split in ("train", "val"):
        (tmp_path / f"leak/filelists/{split}.txt").write_text("x\n")
    result = forked.run("-m", "data_prep", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert f"error: {problem}" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
