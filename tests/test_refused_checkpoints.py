"""Files that are not weights, of another network, or too old: refused in one line."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_checkpoints import SMALL, blank_state, refusal, same

from lipsync.checkpoints import (
    describe,
    load_model,
    save_model,
)
from lipsync.errors import CheckpointError
from lipsync.export import export
from lipsync.features import Mel
from lipsync.models import (
    LipGAN,
    QualityDiscriminator,
    SyncNet,
    SyncNetV2,
    Wav2Lip,
)

# ---------------------------------------------------------------- old files

OLD = {
    "Wav2Lip": (
        lambda: Wav2Lip(96, 0.125, 0.0, feature=Mel(lead=2), head="warp"),
        {"image_size": 96, "width": 0.125, "depth": 0.0, "mel_lead": 2}
        | {"head": "copy", "hearing": "mel"},
    ),
    "SyncNet": (
        lambda: SyncNet(96, 0.125, 0.0, view="mean_subtracted_grey"),
        {"image_size": 96, "width": 0.125, "depth": 0.0, "view": "motion", "hearing": "mel"},
    ),
    "SyncNetV2": (
        lambda: SyncNetV2(96, 0.125, framing="box", unit=True),
        {"image_size": 96, "width": 0.125, "framing": "steady", "unit": True},
    ),
    "LipGAN": (
        lambda: LipGAN(96, 0.125, 0.0),
        {"image_size": 96, "width": 0.125, "depth": 0.0},
    ),
    "QualityDiscriminator": (
        lambda: QualityDiscriminator(96, 0.125),
        {"image_size": 96, "width": 0.125, "spectral_norm": False},
    ),
}


@pytest.mark.parametrize("form", ["safetensors", "ckpt"])
@pytest.mark.parametrize("name", OLD)
def test_files_of_before_are_refused_and_converted_by_export(tmp_path, name, form):
    make, config = OLD[name]
    network, path = make(), tmp_path / f"old.{form}"
    if form == "safetensors":
        card = json.dumps({"class": name, "config": config})
        save_file(network.state_dict(), path, metadata={"lipsync": card})
    else:
        state = {f"expert.{key}": value for key, value in network.state_dict().items()}
        about = {"class": name, "config": config, "prefix": "expert."}
        torch.save({"state_dict": state, "lipsync": about}, path)
    message = f"convert it with `lipsync export {path.name} -o NEW.safetensors`"
    assert message in refusal(path)
    with pytest.raises(CheckpointError, match="was written by an early version"):
        describe(path)
    new = tmp_path / "new.safetensors"
    export(path, new)
    convert_config = load_model(new)
    assert same(convert_config.state_dict(), network.state_dict())
    assert convert_config.config == network.config
    assert describe(new)["config"] == network.config
    export(path, tmp_path / "mix.safetensors", mix=path, share=0.5)
    assert load_model(tmp_path / "mix.safetensors").config == network.config


@pytest.mark.parametrize(("option", "value"), [("hearing", "envelope"), ("spectral_norm", True)])
def test_networks_of_before_that_are_built_no_longer(tmp_path, option, value):
    name = "SyncNet" if option == "hearing" else "QualityDiscriminator"
    network, config = OLD[name][0](), OLD[name][1] | {option: value}
    card = json.dumps({"class": name, "config": config})
    save_file(network.state_dict(), tmp_path / "m.safetensors", metadata={"lipsync": card})
    with pytest.raises(CheckpointError, match="no longer supports; retrain it"):
        export(tmp_path / "m.safetensors", tmp_path / "new.safetensors")
    assert not (tmp_path / "new.safetensors").exists()


# ---------------------------------------------------------------- refusals


class Evil:
    """Would create a file if unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, form):
    path, target = tmp_path / "evil.pth", tmp_path / "was-here"
    content = {"state_dict": {"weight": torch.ones(2)}, "extra": Evil(target)}
    if form == "pickle":
        path.write_bytes(pickle.dumps({"extra": Evil(target)}, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    assert "would execute posix.mkdir on loading, so it was refused" in refusal(path)
    assert not target.exists()
    pickle.loads(pickle.dumps(Evil(target)))  # the exploit works
    assert target.exists()


def test_whole_modules_and_programs_are_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    assert "would execute torch.nn.modules.linear.Linear" in refusal(tmp_path / "module.pth")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "program.pt")
    assert "TorchScript" in refusal(tmp_path / "program.pt")


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("keep", [0.02, 0.5, 0.999])
def test_files_cut_short_are_refused(tmp_path, form, keep):
    network, path = SMALL["SyncNet"](), tmp_path / "whole.safetensors"
    if form == "safetensors":
        save_model(network, path)
    else:
        torch.save(network.state_dict(), path, _use_new_zipfile_serialization=form == "zip")
    cut = tmp_path / "cut.pth"
    content = path.read_bytes()
    cut.write_bytes(content[: int(len(content) * keep)])
    assert "cut short" in refusal(cut)


def test_things_that_are_not_weights_are_refused(tmp_path):
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "empty.pth").touch()
    assert "is empty" in refusal(tmp_path / "empty.pth")
    assert "no such file" in refusal(tmp_path / "absent.pth")
    assert "no such file" in refusal(str(tmp_path / "absent"))
    (tmp_path / "text.pth").write_text("hello there, this is not a model")
    assert "not a weights file" in refusal(tmp_path / "text.pth")
    (tmp_path / "noise.pth").write_bytes(np.random.RandomState(0).bytes(1000))
    assert "not a weights file" in refusal(tmp_path / "noise.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    assert "holds a list, expected a state dict" in refusal(tmp_path / "list.pth")
    torch.save({"a": 1}, tmp_path / "numbers.pth")
    assert "'a' is a int, expected a tensor" in refusal(tmp_path / "numbers.pth")
    torch.save({"fc.weight": torch.ones(2)}, tmp_path / "other.pth")
    assert "fc.weight" in refusal(tmp_path / "other.pth")
    save_file({"fc.weight": torch.ones(2)}, tmp_path / "other.safetensors")
    assert "no lipsync model card" in refusal(tmp_path / "other.safetensors")


def test_mismatches_are_named(tmp_path):
    path = tmp_path / "official.pth"
    state = blank_state(Wav2Lip)
    first = "face_encoder_blocks.0.0.conv_block.0.weight"
    torch.save({k: v for k, v in state.items() if k != first}, path)
    assert (
        f"Wav2Lip (published sizes), the network its names suggest: {first} is missing"
        in refusal(path)
    )
    torch.save({**state, first: torch.zeros(16, 6, 3, 3)}, path)
    assert f"{first} is 16x6x3x3, expected 16x6x7x7" in refusal(path)
    torch.save({**state, **{f"extra{i}": torch.zeros(1) for i in range(5)}}, path)
    assert "extra0 does not belong" in refusal(path)
    assert "and 2 more" in refusal(path)
    torch.save({**state, first: torch.full((16, 6, 7, 7), torch.nan)}, path)
    assert f"{first} of its Wav2Lip (published sizes) contains NaN or infinity" in refusal(path)


def test_own_files_of_another_network_or_version_are_refused(tmp_path):
    def write(card: dict, state: dict) -> str:
        save_file(state, tmp_path / "m.safetensors", metadata={"lipsync": json.dumps(card)})
        return refusal(tmp_path / "m.safetensors")

    state = SMALL["SyncNet"]().state_dict()
    sizes = {"image_size": 96, "width": 0.125, "depth": 0.0, "feature": Mel().record}
    assert "holds a Unet" in write({"class": "Unet", "config": {}}, state)
    assert "later version" in write({"class": "SyncNet", "config": {**sizes, "dilation": 2}}, state)
    assert "image_size 97" in write(
        {"class": "SyncNet", "config": {**sizes, "image_size": 97}}, state
    )
    assert "is 8x15x7x7, expected 16x15x7x7" in write(
        {"class": "SyncNet", "config": {**sizes, "width": 0.5}}, state
    )
    message = write({"class": "QualityDiscriminator", "config": {}}, state)
    assert "does not match QualityDiscriminator" in message
