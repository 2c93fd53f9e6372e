"""int8 generators in OpenVINO: used if they are faster and close to float32."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from lipsync.checkpoints import load_model
from lipsync.errors import CheckpointError
from lipsync.generators import quantised
from lipsync.models import LipGAN, LipsCode, Wav2Lip
from lipsync.speeds import about_speeds

NETWORK = "wav2lip-gan-grid"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LIPSYNC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def faster(monkeypatch, times):
    """Set the measured speed of int8; optimise() otherwise takes float32."""
    monkeypatch.setattr(quantised, "optimise", lambda g: original(g, torch.float32))
    monkeypatch.setattr(
        quantised, "milliseconds", lambda forms: dict(zip(forms, times, strict=True))
    )


original = quantised.optimise


def painted_by_torch(fast):
    return "paint" not in vars(fast.network)


def test_without_openvino_nothing_changes(monkeypatch, cache):
    monkeypatch.setattr(quantised, "find_spec", lambda name: None)
    faster(monkeypatch, (2.0, 1.0))
    assert painted_by_torch(quantised.fastest_copy(Wav2Lip(width=0.125, depth=0)))
    assert not cache.exists()


def test_it_is_close_to_float32_and_made_once(monkeypatch, cache):
    pytest.importorskip("openvino", reason="needs the extra openvino")
    faster(monkeypatch, (2.0, 1.0))
    network = load_model(NETWORK).eval()
    fast = quantised.fastest_copy(network)
    assert not painted_by_torch(fast)
    assert "in OpenVINO int8 (float32 2 ms a frame, OpenVINO int8 1 ms" in about_speeds()
    sound, faces = quantised._examples(network)
    with torch.inference_mode():
        expected = network(sound[:12], faces[:12])
    wrong = fast(sound[:12], faces[:12]) - expected
    assert 55 < -10 * wrong.square().mean().log10() < 80
    # any batch, and time
    timed = fast(sound[:3][:, None], faces[:3][:, None])
    torch.testing.assert_close(timed[:, 0], expected[:3], atol=0.05, rtol=0)
    with pytest.raises(ValueError, match="3 windows of sound for 2 faces"):
        fast(sound[:3], faces[:2])
    # concurrent threads each get their own output
    parts = [(sound[k : k + 3], faces[k : k + 3]) for k in range(0, 24, 3)]
    alone = [fast(*part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda part: fast(*part), parts))
    assert all(torch.equal(*pair) for pair in zip(alone, together, strict=True))
    # found again
    monkeypatch.setattr(quantised, "_quantise_and_check", None)
    assert torch.equal(quantised.fastest_copy(network)(*parts[0]), alone[0])
    # a damaged cache file is ignored
    (kept,) = (cache / "int8").glob("*.onnx")
    kept.write_bytes(kept.read_bytes()[:1000])
    assert painted_by_torch(quantised.fastest_copy(network))


def test_it_must_be_faster(monkeypatch):
    pytest.importorskip("openvino", reason="needs the extra openvino")
    faster(monkeypatch, (2.0, 1.8))
    assert painted_by_torch(quantised.fastest_copy(Wav2Lip(width=0.125, depth=0)))


def test_a_network_that_it_changes_is_refused(monkeypatch, cache, caplog):
    pytest.importorskip("openvino", reason="needs the extra openvino")
    faster(monkeypatch, (2.0, 1.0))
    monkeypatch.setattr(quantised, "LEAST_PSNR", 200.0)
    network = load_model(NETWORK).eval()
    with caplog.at_level("INFO"):
        assert painted_by_torch(quantised.fastest_copy(network))
    assert "dB against float32's" in caplog.text
    assert [path.suffix for path in (cache / "int8").glob("[!.]*")] == [".txt"]
    monkeypatch.setattr(quantised, "_quantise_and_check", None)  # cached
    assert painted_by_torch(quantised.fastest_copy(network))


def test_a_full_disk_is_not_remembered(monkeypatch, cache):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quantised, "_versions", str)
    monkeypatch.setattr(quantised, "_examples", lambda network: torch.zeros(2, 20, 1))
    monkeypatch.setattr(quantised, "quantise", full)
    with pytest.raises(CheckpointError, match="No space left"):
        quantised._cached_path(Wav2Lip(width=0.125, depth=0))
    assert not list(cache.rglob("*.txt"))


def test_lips_codes_are_left_out_and_lipgan_takes_part(monkeypatch):
    pytest.importorskip("openvino", reason="needs the extra openvino")
    faster(monkeypatch, (2.0, 1.0))
    assert painted_by_torch(quantised.fastest_copy(LipsCode(width=0.125, depth=0)))
    assert not painted_by_torch(quantised.fastest_copy(LipGAN(width=0.125).eval()))


def test_openvino_reports_no_imports():
    pytest.importorskip("openvino", reason="needs the extra openvino")
    code = "from lipsync.generators import quantised; quantised._openvino(); import sys"
    code += "; assert sys.modules['openvino_telemetry'] is None"
    subprocess.run([sys.executable, "-c", code], check=True)
