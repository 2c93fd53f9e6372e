"""Faster forms of a generator give the same output."""

import pytest
import torch
from deterministic import fill, image, mel

from lipsync.models import LipGAN, Wav2Lip, inference
from lipsync.models.folding import folded
from lipsync.models.inference import fastest_dtype, optimise
from lipsync.speeds import about_speeds, read_measurements

SOUND = {Wav2Lip: (1, 80, 16), LipGAN: (1, 12, 35)}


def generator_and_inputs(model):
    """Weights and norm statistics from names, at a size with an odd side in the decoder."""
    network = fill(model(image_size=288, width=0.25, depth=1.0))
    return network, mel("speed", 4, *SOUND[model]), image("speed", 4, 6, 288, 288)


@pytest.mark.parametrize("model", SOUND, ids=lambda m: m.__name__)
def test_float32_differs_by_rounding_only(model):
    network, sound, faces = generator_and_inputs(model)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.inference_mode():
        expected = network(sound, faces)
    fast = optimise(network.train(), torch.float32)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in fast.modules())
    assert not any(p.requires_grad for p in fast.parameters())
    assert fast.config == network.config
    torch.testing.assert_close(fast(sound, faces), expected, atol=1e-5, rtol=0)
    # with time, too
    timed = fast(sound.unflatten(0, (2, 2)), faces.unflatten(0, (2, 2)))
    torch.testing.assert_close(timed.flatten(0, 1), expected, atol=1e-5, rtol=0)
    # the generator is unchanged
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    assert all(torch.equal(before[n], v) for n, v in network.state_dict().items())


@pytest.mark.parametrize("model", SOUND, ids=lambda m: m.__name__)
def test_bfloat16_stays_close(model):
    network, sound, faces = generator_and_inputs(model)
    with torch.inference_mode():
        expected = network(sound, faces)
    found = optimise(network, torch.bfloat16)(sound, faces)
    assert found.dtype == torch.float32
    error = (found - expected).square().mean()
    assert -10 * torch.log10(error) > 45
    assert error.sqrt() < 0.03 * expected.std()  # nearly flat outputs: relative to contrast


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),  # would be emulated
        ({}, torch.float32),
    ],
)
def test_the_default_follows_the_processor(monkeypatch, tmp_path, flags, expected):
    monkeypatch.setenv("LIPSYNC_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    monkeypatch.setattr(inference, "_measure_dtypes", lambda _: {"float32": 3.0, "bfloat16": 1.0})
    assert fastest_dtype("cpu") is expected
    assert optimise(Wav2Lip(width=0.125, depth=0)).dtype is expected
    assert bool(read_measurements()) == (expected is torch.bfloat16)


def test_bfloat16_is_measured_once_for_a_machine_and_a_network(monkeypatch, tmp_path):
    monkeypatch.setenv("LIPSYNC_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    times, asked = {"float32": 2.0, "bfloat16": 1.9}, []  # not worth the loss of precision

    def fake(network):
        asked.append(network.config["width"])
        return dict(times)

    monkeypatch.setattr(inference, "_measure_dtypes", fake)
    assert optimise(Wav2Lip(width=0.125, depth=0)).dtype is torch.float32
    times["bfloat16"] = 1.0
    assert optimise(Wav2Lip(width=0.125, depth=0)).dtype is torch.float32  # as measured
    assert optimise(Wav2Lip(width=0.25, depth=0)).dtype is torch.bfloat16
    assert asked == [0.125, 0.25]
    assert (
        "in float32 (float32 2 ms a frame, bfloat16 1.9 ms a frame of one core)" in about_speeds()
    )
    (tmp_path / "speeds.json").write_text('{"x": 1}')  # damaged: measured again
    assert optimise(Wav2Lip(width=0.125, depth=0)).dtype is torch.bfloat16
    assert optimise(Wav2Lip(width=0.125, depth=0), torch.float32).dtype is torch.float32


def test_times_are_of_frames():
    threads = torch.get_num_threads()
    found = inference._measure_dtypes(folded(Wav2Lip(image_size=96, width=0.125, depth=0)))
    assert found.keys() == {"float32", "bfloat16"}
    assert all(0 < time < 1000 for time in found.values())
    assert torch.get_num_threads() == threads
