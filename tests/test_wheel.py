"""What a wheel holds, and that training and preparation find their options in it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    builders = pytest.importorskip("hatchling.builders.wheel", reason="the build needs hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    (made,) = builders.WheelBuilder(str(REPOSITORY)).build(directory=str(folder))
    return zipfile.ZipFile(made)


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    wheel.extractall(folder)
    return folder


def test_a_wheel_holds_every_file_of_the_packages(wheel):
    listed = subprocess.run(
        ["git", "ls-files", "lipsync", "data_prep", "conf"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a clone of the repository")
    files = listed.stdout.splitlines()
    wanted = {f"lipsync/{name}" if name.startswith("conf/") else name for name in files}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert wanted <= held
    assert "lipsync/py.typed" in held
    assert any(name.startswith("lipsync/weights/") for name in held)
    assert {name.split("/")[0] for name in held} == {"lipsync", "data_prep"}
    (metadata,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    assert wheel.read(metadata).decode().split("\n")[1] == "Name: lipsync-lab"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-m", "lipsync.train", "model=wav2lip", "--cfg", "job"], "gpus: 0"),
        (["-m", "data_prep", "source=a", "output=b", "--cfg", "job"], "source: a"),
        (["-m", "lipsync", "doctor"], "wav2lip-gan-grid"),
        (["-c", "import lipsync; print(lipsync.from_pretrained('judge-open').use)"], "score"),
    ],
)
def test_it_works_from_a_wheel(unpacked, tmp_path, words, line):
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert line in done.stdout
