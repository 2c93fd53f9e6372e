"""Reading and writing weights: every format, colour order, and cards."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lipsync import checkpoints, models
from lipsync.checkpoints import (
    bundled_models,
    describe,
    export_official,
    fingerprint,
    load_model,
    save_model,
)
from lipsync.checkpoints.origin import identities, trained_with
from lipsync.checkpoints.saving import save_card
from lipsync.errors import CheckpointError
from lipsync.export import interpolate_networks
from lipsync.features import Mel, feature_of
from lipsync.models import (
    LipGAN,
    LipGANDiscriminator,
    LipReader,
    OcclusionNet,
    QualityDiscriminator,
    SyncNet,
    SyncNetV2,
    Wav2Lip,
)

SMALL = {
    "Wav2Lip": lambda: Wav2Lip(128, 0.125, 0.5, feature=Mel(lead=1)),
    "SyncNet": lambda: SyncNet(96, 0.125, 0.0),
    "QualityDiscriminator": lambda: QualityDiscriminator(192, 0.125),
    "LipGAN": lambda: LipGAN(96, 0.125, 0.0),
    "LipGANDiscriminator": lambda: LipGANDiscriminator(96, 0.125),
}


def random_state(cls: type, seed: int = 0) -> dict[str, torch.Tensor]:
    """Small random weights with the shapes of an official file of ``cls``."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in cls().state_dict().items()}
    return {
        name: torch.tensor(7)
        if name.endswith("num_batches_tracked")
        else torch.rand(shape, generator=generator).mul_(0.02).add_(0.001)
        for name, shape in shapes.items()
    }


def blank_state(cls: type) -> dict[str, torch.Tensor]:
    """The same names and shapes in a few kilobytes: every tensor repeats one number."""
    with torch.device("meta"):
        state = cls().state_dict()
    return {
        name: torch.zeros((), dtype=value.dtype).expand(value.shape)
        for name, value in state.items()
    }


def refusal(path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert Path(path).name in message
    assert len(message) < 700
    return message


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ---------------------------------------------------------------- official files


@pytest.mark.parametrize(
    ("cls", "wrapped", "zipped"),
    [
        (Wav2Lip, True, True),
        (SyncNet, True, False),
        (QualityDiscriminator, False, True),
        (SyncNetV2, False, False),
    ],
)
def test_official_weights_come_back_bit_for_bit(tmp_path, cls, wrapped, zipped):
    state = random_state(cls)
    content = state
    if wrapped:  # as written by the published trainers on several devices
        content = {
            "state_dict": {f"module.{name}": value for name, value in state.items()},
            "optimizer": {"state": {0: {"step": np.float64(3)}}, "param_groups": []},
            "global_step": np.int64(5),
        }
    torch.save(content, tmp_path / "in.pth", _use_new_zipfile_serialization=zipped)
    network = load_model(tmp_path / "in.pth")
    assert type(network) is cls
    assert not network.training
    assert all(p.requires_grad for p in network.parameters())

    export_official(network, tmp_path / "out.pth")
    found = torch.load(tmp_path / "out.pth", weights_only=True)
    found = found if cls is SyncNetV2 else found["state_dict"]
    assert same(found, state)
    assert list(found) == list(state)


def test_official_networks_speak_rgb_here(tmp_path):
    bgr = Wav2Lip().eval()
    torch.save(bgr.state_dict(), tmp_path / "wav2lip_gan.pth")
    rgb = load_model(tmp_path / "wav2lip_gan.pth")
    mel, faces = torch.rand(1, 1, 80, 16), torch.rand(1, 6, 96, 96)
    in_bgr = faces[:, [2, 1, 0, 5, 4, 3]]  # reverse each image's channels
    with torch.inference_mode():
        torch.testing.assert_close(rgb(mel, faces), bgr(mel, in_bgr)[:, [2, 1, 0]])
        assert (rgb(mel, faces) - bgr(mel, faces)).abs().max() > 1e-4


def test_official_expert_speaks_rgb_here(tmp_path):
    bgr = SyncNet().eval()
    torch.save({"state_dict": bgr.state_dict()}, tmp_path / "expert.pth")
    rgb = load_model(tmp_path / "expert.pth")
    faces = torch.rand(1, 15, 48, 96)
    in_bgr = faces.unflatten(1, (5, 3)).flip(2).flatten(1, 2)
    with torch.inference_mode():
        torch.testing.assert_close(rgb.embed_face(faces), bgr.embed_face(in_bgr))


def test_old_files_without_batch_counters_are_read(tmp_path):
    state = blank_state(SyncNetV2)
    old = {name: v for name, v in state.items() if "num_batches" not in name}
    torch.save(old, tmp_path / "syncnet_v2.model", _use_new_zipfile_serialization=False)
    assert isinstance(load_model(tmp_path / "syncnet_v2.model"), SyncNetV2)


# ---------------------------------------------------------------- own files


@pytest.mark.parametrize("name", SMALL)
def test_own_files_keep_the_network_and_its_card(tmp_path, name):
    network = SMALL[name]()
    path = tmp_path / "model.bin.safetensors"
    card = {"data": "grid, speakers s1-s4", "licence": "CC-BY-4.0", "metrics": {"psnr": 31.5}}
    written = save_model(network, path, card)
    assert same(load_model(path).state_dict(), network.state_dict())
    assert load_model(path).config == network.config

    beside = json.loads((tmp_path / "model.bin.safetensors.json").read_text())
    assert beside == written
    assert beside["class"] == name
    assert beside["metrics"] == {"psnr": 31.5}
    assert beside["parameters"] == sum(p.numel() for p in network.parameters())
    about = describe(path)
    assert (about["format"], about["model"]) == ("safetensors", name)
    assert about["sha256"] == beside["sha256"]
    assert about["card"]["licence"] == "CC-BY-4.0"
    assert about["bytes"] == path.stat().st_size
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, path.name + ".json"]


def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path):
    network = Wav2Lip(width=0.25)
    network.output_block[0].conv_block[1].running_var.fill_(1e6)  # too large for float16
    save_model(network, tmp_path / "full.safetensors")
    save_model(network, tmp_path / "half.safetensors", half=True)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "full")]
    assert 0.5 < sizes[0] / sizes[1] < 0.53
    loaded = load_model(tmp_path / "half.safetensors").state_dict()
    for name, value in network.state_dict().items():
        assert loaded[name].dtype == value.dtype
        torch.testing.assert_close(loaded[name], value, rtol=2**-11, atol=1e-7)


def test_a_network_is_known_in_all_of_its_files(tmp_path):
    """As trained, rounded, and rounded and saved again."""
    network = SMALL["SyncNet"]()
    save_model(network, tmp_path / "full.safetensors")
    save_model(network, tmp_path / "half.safetensors", half=True)
    save_model(load_model(tmp_path / "half.safetensors"), tmp_path / "again.safetensors")
    full, half, again = (
        load_model(tmp_path / f"{name}.safetensors") for name in ("full", "half", "again")
    )
    assert fingerprint(full) == fingerprint(network) != fingerprint(half)
    for known in (network, full, half, again):
        assert fingerprint(network) in identities(known)
        assert fingerprint(half) in identities(known)
    assert not identities(SMALL["SyncNet"]()) & identities(full)


def test_what_trained_a_generator_stays_in_its_card(tmp_path):
    first, second = (SMALL["Wav2Lip"]() for _ in range(2))
    first.card = {"frozen": {"sync": ["a"]}, "licence": "x"}
    second.card = {"frozen": {"sync": ["b"], "look": ["c"]}}
    save_model(first, tmp_path / "first.safetensors", {"data": "grid"})
    loaded = load_model(tmp_path / "first.safetensors")
    assert trained_with(loaded) == {"sync": ["a"]}
    assert loaded.card["data"] == "grid"
    assert "licence" not in loaded.card
    mixed = interpolate_networks(first, second, 0.5)
    assert trained_with(mixed) == {"look": ["c"], "sync": ["a", "b"]}
    del second.card
    assert trained_with(interpolate_networks(first, second, 0.5)) is None


@pytest.mark.parametrize(("name", "prefix"), [("Wav2Lip", "generator."), ("SyncNet", "expert.")])
def test_training_checkpoints_are_read(tmp_path, name, prefix):
    network = SMALL[name]()
    state = {prefix + key: value for key, value in network.state_dict().items()}
    content = {
        "state_dict": {**state, "discriminator.weight": torch.zeros(3), "threshold": torch.ones(1)},
        "pytorch-lightning_version": "2.6.6",
        "epoch": 3,
        "global_step": 120,
        "lipsync": {"class": name, "config": network.config, "prefix": prefix},
    }
    torch.save(content, tmp_path / "last.ckpt")
    loaded = load_model(tmp_path / "last.ckpt")
    assert same(loaded.state_dict(), network.state_dict())
    about = describe(tmp_path / "last.ckpt")
    assert about["format"] == "training checkpoint"
    assert about["card"] == loaded.card == {"epoch": 3, "global_step": 120}
    assert trained_with(loaded) is None
    content["lipsync"]["frozen"] = {"sync": ["a"]}
    torch.save(content, tmp_path / "new.ckpt")
    assert trained_with(load_model(tmp_path / "new.ckpt")) == {"sync": ["a"]}
    save_card(tmp_path / "new.ckpt", tmp_path / "new.safetensors", {"licence": "mine"})
    card = load_model(tmp_path / "new.safetensors").card
    assert (card["licence"], card["frozen"], card["epoch"]) == ("mine", {"sync": ["a"]}, 3)

    del content["lipsync"]
    torch.save(content, tmp_path / "foreign.ckpt")
    assert "does not say which network" in refusal(tmp_path / "foreign.ckpt")


def test_bundled_models_go_by_name(tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    save_model(SMALL["SyncNet"](), tmp_path / "weights" / "expert-grid.safetensors")
    monkeypatch.setattr(checkpoints.loading.resources, "files", lambda package: tmp_path)
    assert bundled_models() == ["expert-grid"]
    assert isinstance(load_model("expert-grid"), SyncNet)
    assert describe("expert-grid")["file"] == "expert-grid"
    message = refusal("expert-gird")
    assert message.startswith(
        "expert-gird: no such file or bundled model; bundled models: expert-grid; fetched by name: "
    )


@pytest.mark.parametrize("name", bundled_models())
def test_bundled_models_say_what_they_hear_and_see(name):
    network = load_model(name)
    if not isinstance(network, (OcclusionNet, LipReader)):  # which have no audio input
        assert feature_of(network).name in ("mel", "lipgan_mfcc", "syncnet_mfcc")
    framings = dict.fromkeys(("expert-open", "lipreader-grid"), "aligned_tight")
    framings |= dict.fromkeys(("lipscode-open", "occlusion-open"), "aligned_jaw")
    assert network.config["framing"] == framings.get(name, "box")


def test_a_failed_save_leaves_nothing_behind(tmp_path, monkeypatch):
    network = SMALL["SyncNet"]()
    path = tmp_path / "m.safetensors"
    with pytest.raises(CheckpointError, match="must hold plain values only"):
        save_model(network, path, {"metric": torch.ones(1)})
    with pytest.raises(CheckpointError, match="must hold plain values only"):
        save_model(network, path, {"metric": float("nan")})
    with pytest.raises(CheckpointError, match="is not a network of lipsync"):
        save_model(torch.nn.Linear(1, 1), path)
    with pytest.raises(CheckpointError, match=r"name a \.safetensors file"):
        save_model(network, tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match="has no published format"):
        export_official(SMALL["LipGAN"](), tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match="has a fixed size"):
        export_official(network, tmp_path / "m.pth")

    def full_disk(_content, path):
        path.open("w").write("half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", lambda path, content: full_disk(content, path))
        with pytest.raises(CheckpointError, match=r"m\.safetensors: cannot be written \(No space"):
            save_model(network, path)
    monkeypatch.setattr(checkpoints.saving.torch, "save", full_disk)
    with pytest.raises(CheckpointError, match=r"m\.pth: cannot be written \(No space left"):
        export_official(SyncNet(), tmp_path / "m.pth")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CheckpointError, match=r"m\.safetensors: cannot be written \(File exists"):
        save_model(network, tmp_path / "file" / "m.safetensors")


def test_saved_files_are_as_readable_as_any_other(tmp_path):
    (tmp_path / "other").touch()
    save_model(SMALL["SyncNet"](), tmp_path / "m.safetensors")
    assert {path.stat().st_mode for path in tmp_path.iterdir()} == {
        (tmp_path / "other").stat().st_mode
    }


def test_an_exported_file_is_told_from_a_damaged_one(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    with pytest.raises(CheckpointError, match=r"m\.onnx: .* name the model it was exported from"):
        load_model(tmp_path / "m.onnx")


def test_a_loaded_model_does_not_hang_on_its_file(tmp_path):
    network = SMALL["SyncNet"]()
    save_model(network, tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    (tmp_path / "m.safetensors").write_bytes(b"")  # in place, as cp does
    shutil.rmtree(tmp_path)
    assert same(loaded.state_dict(), network.state_dict())


def test_doctor_knows_a_use_for_every_model():
    own = {n for n, kind in models.Network.kinds.items() if kind.__module__.startswith("lipsync.")}
    assert {
        n for n in own - {"FaceGenerator"} if "use" not in vars(models.Network.kinds[n])
    } == set()


def test_a_network_from_outside_is_known_once_it_is_defined(tmp_path):
    class Elsewhere(models.SyncNet):
        pass

    network = Elsewhere(width=0.25, depth=0.0)
    save_model(network, tmp_path / "m.safetensors")
    assert type(load_model(tmp_path / "m.safetensors")) is Elsewhere
    del models.Network.kinds["Elsewhere"]
    with pytest.raises(CheckpointError, match="load its module"):
        load_model(tmp_path / "m.safetensors")
