"""Exported networks, run by their target engines."""

import json

import pytest
import torch

from lipsync.checkpoints import load_model, save_model
from lipsync.errors import CheckpointError, ConfigError
from lipsync.export import export, export_onnx, interpolate_networks
from lipsync.features import Whisper, get_feature
from lipsync.models import (
    LipGAN,
    LipGANDiscriminator,
    QualityDiscriminator,
    SyncNet,
    SyncNetV2,
    Wav2Lip,
)

CASES = {
    "wav2lip": (lambda: Wav2Lip(288, 0.125, 0.5), [(1, 80, 16), (6, 288, 288)]),
    "whisper": (
        lambda: Wav2Lip(96, 0.125, 0.5, feature=Whisper(), head="warp"),
        [(1, 384, 10), (6, 96, 96)],
    ),
    "references": (
        lambda: Wav2Lip(96, 0.125, 0.0, head="warp", references=3),
        [(1, 80, 16), (12, 96, 96)],
    ),
    "expert": (
        lambda: SyncNet(96, 0.25, 0.5, window=9, view="mean_subtracted_grey"),
        [(1, 80, 28), (27, 48, 96)],
    ),
    "quality": (lambda: QualityDiscriminator(96, 0.25), [(3, 96, 96)]),
    "lipgan": (lambda: LipGAN(96, 0.125, 0.5), [(1, 12, 35), (6, 96, 96)]),
    "lipgan_disc": (lambda: LipGANDiscriminator(96, 0.125), [(1, 12, 35), (3, 96, 96)]),
    "syncnet_v2": (SyncNetV2, [(1, 13, 20), (3, 5, 224, 224)]),
}


def lively(network: torch.nn.Module, inputs: list[torch.Tensor]) -> torch.nn.Module:
    """Norm statistics from these inputs, so that different inputs give different outputs."""
    with torch.no_grad():
        network.train()(*inputs)
    return network.eval()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_onnx_runtime_computes_the_same(tmp_path, case):
    pytest.importorskip("onnx", reason="writing ONNX needs the package onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    build, shapes = CASES[case]
    scale = 255 if case == "syncnet_v2" else 1
    inputs = [torch.rand(3, *shapes[0]) * 4, *(torch.rand(3, *s) * scale for s in shapes[1:])]
    if case == "quality":
        inputs[0] /= 4
    network = lively(build(), inputs)
    network.train()
    export_onnx(network, tmp_path / "m.onnx")
    assert network.training  # unchanged
    network.eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(tmp_path / "m.onnx"), options, providers=["CPUExecutionProvider"]
    )
    about = json.loads(session.get_modelmeta().custom_metadata_map["lipsync"])
    assert about == {"class": type(network).__name__, "config": network.config, "pixels": "RGB"}
    if "feature" in about["config"]:  # so that a program can compute its input
        heard = get_feature(about["config"]["feature"])
        sound = next(i for i in session.get_inputs() if i.name == heard.name)
        assert sound.shape[1:] == [1, heard.bands, heard.window]
    for batch in (1, 3):  # exported with 2
        feed = [x[:batch] for x in inputs]
        names = [i.name for i in session.get_inputs()]
        found = session.run(None, {n: x.numpy() for n, x in zip(names, feed, strict=True)})
        with torch.inference_mode():
            expected = network(*feed)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(torch.from_numpy(a), b, atol=1e-4, rtol=1e-4)
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_the_suffix_names_the_format(tmp_path):
    network = SyncNet(96, 0.125, 0.0)
    save_model(network, tmp_path / "m.safetensors")
    line = export(tmp_path / "m.safetensors", tmp_path / "copy.safetensors")
    assert line.startswith(f"{tmp_path / 'copy.safetensors'}: SyncNet, ")
    assert load_model(tmp_path / "copy.safetensors").config == network.config
    with pytest.raises(
        ConfigError,
        match=r"the suffix must be one of \.onnx, \.safetensors, \.pth",
    ):
        export(tmp_path / "m.safetensors", tmp_path / "copy.tflite")
    with pytest.raises(CheckpointError, match="has a fixed size"):
        export(tmp_path / "m.safetensors", tmp_path / "copy.pth")
    with pytest.raises(CheckpointError, match="no such file"):
        export(tmp_path / "absent.safetensors", tmp_path / "copy.onnx")


def test_onnx_without_its_package_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(CheckpointError, match="pip install onnx"):
        export_onnx(SyncNet(96, 0.125, 0.0), tmp_path / "m.onnx")


def test_a_mix_lies_between_its_two(tmp_path):
    torch.manual_seed(0)
    first, second = (Wav2Lip(96, 0.125, 0.0, head="warp") for _ in range(2))
    mixed = interpolate_networks(first, second, 0.25).state_dict()
    for name, value in first.state_dict().items():
        between = value + 0.25 * (second.state_dict()[name] - value)
        torch.testing.assert_close(mixed[name], between.to(value.dtype), atol=1e-6, rtol=0)
    for name, network in (("a", first), ("b", second)):
        save_model(network, tmp_path / f"{name}.safetensors")
    export(tmp_path / "a.safetensors", tmp_path / "m.safetensors", mix=tmp_path / "b.safetensors")
    found = load_model(tmp_path / "m.safetensors").state_dict()
    weight = "output_block.1.weight"
    expected = (first.state_dict()[weight] + second.state_dict()[weight]) / 2
    torch.testing.assert_close(found[weight], expected)


def test_what_cannot_be_mixed():
    with pytest.raises(ConfigError) as other_size:
        interpolate_networks(SyncNet(96, 0.125, 0.0), SyncNet(96, 0.25, 0.0), 0.5)
    assert str(other_size.value) == (
        "only networks of the same kind and size can be mixed, got SyncNet with "
        "width 0.125 in the first, 0.25 in the second"
    )
    with pytest.raises(ConfigError, match=r"be mixed, got SyncNet and QualityDiscriminator$"):
        interpolate_networks(SyncNet(96, 0.125, 0.0), QualityDiscriminator(96), 0.5)
    with pytest.raises(ConfigError, match="share must be in"):
        interpolate_networks(SyncNet(96, 0.125, 0.0), SyncNet(96, 0.125, 0.0), 1.5)
