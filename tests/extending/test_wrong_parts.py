"""Invalid parts: a one-line error that names the option."""

import re
import sys

import pytest
import torch

from lipsync.checkpoints import load_model, save_model
from lipsync.errors import CheckpointError, ConfigError
from lipsync.features import Feature, Mel, get_feature
from lipsync.models import FaceGenerator, Network, Wav2Lip
from lipsync.plugins import import_plugins

GENERATOR = ("model=plain_unet", "model.judge=null")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a user-defined module into the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def bare(**options):
    """Not a FaceGenerator; accepts any arguments."""
    return torch.nn.ReLU()


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (
            "model.generator._target_=nowhere.Net",
            r"model.generator._target_=nowhere.Net: cannot be imported \(ModuleNotFoundError: "
            r"No module named 'nowhere'\); add its folder to PYTHONPATH",
        ),
        (
            "model.generator._target_=parts.generator.Net",
            "model.generator._target_=parts.generator.Net: parts.generator has no Net",
        ),
        ("+model.generator.colour=red", "no option model.generator.colour, as .*"),
        (
            "+model.loss.new={_target_: parts.nowhere.Term}",
            "model.loss.new._target_=parts.nowhere.Term: .*No module named 'parts.nowhere'.*",
        ),
        ("+model.loss.new={_target_: torch.nn.ReLU}", "model.loss.new: ReLU is not a Term"),
        (
            "+model.metrics.new={_target_: torch.nn.ReLU}",
            "model.metrics.new: ReLU is not a Measure",
        ),
        (
            f"model.generator._target_={__name__}.bare",
            "model.generator: ReLU is not a FaceGenerator",
        ),
        ("model.generator.feature._target_=builtins.dict", "feature=.* is neither a feature.*"),
    ],
)
def test_what_cannot_be_made_names_its_key(parts, option, problem):
    with pytest.raises(ConfigError) as error:
        parts(*GENERATOR, option)
    assert re.fullmatch(problem, str(error.value)), error.value


def test_a_constructor_s_own_error_is_let_through(parts):
    with pytest.raises(ZeroDivisionError):
        parts(*GENERATOR, f"model.generator._target_={__name__}.broken")


def broken(**options):
    return 1 / 0


def test_a_reader_that_is_none(parts):
    reader = f"+data.reader={{_target_: {__name__}.bare, _partial_: true}}"
    _, data = parts(*GENERATOR, reader)
    data.make_reader = lambda root, image_size: {}
    with pytest.raises(ConfigError, match=r"data.reader: a dict is not a reader.*needs keys"):
        data.reader()


def test_a_split_without_clips(parts, tmp_path):
    _, data = parts(*GENERATOR, "data=npz", f"data.root={tmp_path}")
    with pytest.raises(ConfigError, match="finds no clip in the split train"):
        data.check_splits(["train"])


@pytest.mark.parametrize(
    ("forgotten", "problem"),
    [
        ("framing", "model.generator: the config of Forgetful lacks framing"),
        ("channels", "model.generator: Forgetful rebuilt from its config differs in .*"),
    ],
)
def test_a_network_whose_config_says_too_little(parts, module, forgotten, problem):
    text = f"""
from parts.generator import PlainUNet
class Forgetful(PlainUNet):
    def __init__(self, channels=8, **options):
        super().__init__(channels=channels, **options)
        del self.config["{forgotten}"]
"""
    name = module("forgetful", text)
    with pytest.raises(ConfigError, match=problem):
        parts(*GENERATOR, f"model.generator._target_={name}.Forgetful")


def test_features_that_say_too_little():
    class Nameless(Feature):
        rate, bands, reach, context, default_window = 100, 1, 160, 0, 20

        def extract(self, wave):
            return wave[None, ::160]

    with pytest.raises(ConfigError, match="feature Nameless lacks name, augmentation"):
        Nameless()
    with pytest.raises(ConfigError, match=r"feature other: must be one of .*mel.*--plugin"):
        get_feature("other")


def test_names_that_are_taken():
    with pytest.raises(ConfigError, match="already has a mel; choose another name"):
        type("Mine", (Feature,), {"name": "mel"})
    with pytest.raises(ConfigError, match=r"lipsync\.models\.wav2lip already has a Wav2Lip"):
        type("Wav2Lip", (FaceGenerator,), {})
    assert Feature.kinds["mel"] is Mel
    assert Network.kinds["Wav2Lip"] is Wav2Lip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, r"\(ModuleNotFoundError: No module named 'broken'\); add its folder to PYTHONPATH"),
        ("x = (", r"\(SyntaxError: '\(' was never closed \(broken.py, line 1\)\)"),
        ("import os\nx = y", r"\(NameError: name 'y' is not defined; .*broken.py, line 2\)"),
    ],
)
def test_plugins_that_cannot_be_imported(module, monkeypatch, text, problem):
    if text is not None:
        module("broken", text)
    with pytest.raises(ConfigError) as error:
        import_plugins(["os", "broken"])
    assert re.fullmatch(f"--plugin broken: cannot be imported {problem}", str(error.value))
    monkeypatch.setenv("LIPSYNC_PLUGINS", "os, broken")
    with pytest.raises(ConfigError, match="LIPSYNC_PLUGINS broken: cannot"):
        import_plugins(None)


def test_a_checkpoint_decides_nothing_that_is_imported(module, tmp_path):
    module("mine", "from parts.generator import PlainUNet\nclass Mine(PlainUNet):\n    pass\n")
    import_plugins("mine")
    network = sys.modules["mine"].Mine(channels=8)
    save_model(network, tmp_path / "mine.safetensors")
    del Network.kinds["Mine"], sys.modules["mine"]
    with pytest.raises(CheckpointError, match=r"holds a Mine; .*--plugin .*LIPSYNC_PLUGINS"):
        load_model(tmp_path / "mine.safetensors")
    assert "mine" not in sys.modules
    import_plugins("mine")
    assert load_model(tmp_path / "mine.safetensors").config == network.config
