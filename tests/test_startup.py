"""Start-up must not import PyTorch or other slow packages before they are needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
HEAVY = {"torch", "numpy", "scipy", "librosa", "cv2", "av", "onnx", "onnxruntime", "matplotlib"}
HELP = """
import contextlib, io, runpy, sys
sys.argv = {argv}
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as said:
    runpy.run_{kind}({what!r}, run_name="__main__")
assert said.getvalue(), "no help was printed"
"""


def loaded(code: str) -> set[str]:
    """Packages loaded in a fresh interpreter after running ``code``."""
    code += "\nimport json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "code",
    [
        "import lipsync",
        "import lipsync.errors, lipsync.cli, lipsync.evaluation",
        HELP.format(argv=["lipsync", "--help"], kind="module", what="lipsync"),
        HELP.format(argv=["lipsync", "dub", "--help"], kind="module", what="lipsync"),
        HELP.format(argv=["lipsync", "translate", "--help"], kind="module", what="lipsync"),
    ],
)
def test_light(code):
    assert loaded(code) & (HEAVY | {"hydra", "pytorch_lightning"}) == set()


def test_the_doctor_does_not_load_networks():
    doctor = HELP.format(argv=["lipsync", "doctor"], kind="module", what="lipsync")
    assert loaded(doctor) & (HEAVY - {"numpy"} | {"hydra"}) == set()


@pytest.mark.parametrize(
    ("kind", "what"),
    [("path", str(REPOSITORY / "train.py")), ("module", "lipsync.train"), ("module", "data_prep")],
)
def test_help_of_what_hydra_configures(kind, what):
    assert loaded(HELP.format(argv=[what, "--help"], kind=kind, what=what)) & HEAVY == set()


def test_the_package_offers_its_models_late():
    assert "torch" in loaded("import lipsync; lipsync.from_pretrained")
    with pytest.raises(subprocess.CalledProcessError):
        loaded("import lipsync; lipsync.from_pretraind")
