"""The wheel's content; the README's commands work from it, without a clone or network."""

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


def test_the_commands_of_the_readme_work_from_it(unpacked, tmp_path):
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "PATH": programs}
    done = subprocess.run(
        [sys.executable, REPOSITORY / "tests" / "readme_commands.py"],
        cwd=tmp_path,
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert f"lipsync of {unpacked}" in done.stdout
