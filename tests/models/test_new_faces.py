"""What helps with people who were not in the data: motion alone, copied pixels, no pitch."""

import numpy as np
import pytest
import torch

from lipsync.audio import SAMPLE_RATE, melspectrogram
from lipsync.checkpoints import load_model, save_model
from lipsync.errors import ConfigError
from lipsync.models import SyncNet, Wav2Lip
from lipsync.models.encoders import SpectralEnvelope
from lipsync.models.expert import motion
from lipsync.models.folding import folded
from lipsync.models.inference import optimise

SMALL = {"image_size": 96, "width": 0.125, "depth": 0.5}


def pictures(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_motion_hides_skin_and_light():
    faces = pictures(2, 15, 48, 96)
    seen = motion(faces)
    assert seen.shape == (2, 5, 48, 96)
    torch.testing.assert_close(seen.mean(dim=1), torch.zeros(2, 48, 96), atol=1e-5, rtol=0)
    darker = motion(faces * 0.4 + 0.1)
    torch.testing.assert_close(darker, seen, atol=1e-4, rtol=0)
    still = faces[:, :3].repeat(1, 5, 1, 1)
    assert motion(still).abs().max() < 1e-5
    assert motion(torch.zeros(1, 15, 48, 96)).isfinite().all()


def test_an_expert_of_motion_cannot_see_the_light():
    torch.manual_seed(0)
    expert = SyncNet(**SMALL, view="motion").eval()
    faces = pictures(2, 15, 48, 96)
    torch.testing.assert_close(expert.embed_face(faces), expert.embed_face(faces * 0.5))
    published = SyncNet(**SMALL).eval()
    assert not torch.allclose(published.embed_face(faces), published.embed_face(faces * 0.5))


def test_a_new_copying_generator_shows_its_reference():
    torch.manual_seed(0)
    network = Wav2Lip(**SMALL, head="copy").eval()
    faces, mel = pictures(2, 6, 96, 96), pictures(2, 1, 80, 16)
    out = network(mel, faces)
    copied = torch.sigmoid(torch.tensor(2.0))
    painted = (out - copied * faces[:, 3:]) / (1 - copied)
    assert -1e-3 <= painted.min() < painted.max() <= 1 + 1e-3
    torch.testing.assert_close(optimise(network, torch.float32)(mel, faces), out, atol=1e-5, rtol=0)


def test_copied_pixels_come_from_where_the_network_says():
    network = Wav2Lip(**SMALL, head="copy").eval()
    last = network.output_block[-1]
    torch.nn.init.zeros_(last.weight)
    # all copied, from eight pixels to the right: a displacement of 16 / 96 half sides
    reach = torch.atanh(torch.tensor(16 / 96 / 0.3))
    last.bias.data = torch.tensor([0.0, 0.0, 0.0, 30.0, float(reach), 0.0])
    faces = pictures(1, 6, 96, 96)
    with torch.no_grad():
        out = network(torch.zeros(1, 1, 80, 16), faces)
    torch.testing.assert_close(out[..., :88], faces[:, 3:, :, 8:], atol=1e-4, rtol=0)


def vowel(pitch: float) -> torch.Tensor:
    """The mel of a steady sound with the same formants at any pitch: (1, 1, 80, 16)."""
    harmonics = np.arange(1, int(7000 / pitch)) * pitch
    weights = sum(np.exp(-(((harmonics - f) / 200) ** 2)) for f in (700, 1200, 2600)) + 1e-3
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    wave = (weights[:, None] * np.sin(2 * np.pi * harmonics[:, None] * time)).sum(0)
    mel = melspectrogram((0.3 * wave / np.abs(wave).max()).astype(np.float32))
    return torch.from_numpy(mel[:, 20:36]).view(1, 1, 80, 16)


def test_the_envelope_hides_the_pitch():
    low, high, other = vowel(110), vowel(165), vowel(110).flip(2)
    hear = SpectralEnvelope()
    rough, smooth = (low - high).std(), (hear(low) - hear(high)).std()
    assert smooth < rough / 2
    assert (hear(low) - hear(other)).std() > 0.8 * (low - other).std()  # what is said stays


@pytest.mark.parametrize("build", [SyncNet, Wav2Lip])
def test_networks_of_the_envelope_store_nothing_more_and_fold(build, tmp_path):
    torch.manual_seed(0)
    network = build(**SMALL, hearing="envelope").eval()
    published = build(**SMALL).eval()
    assert len(network.state_dict()) == len(published.state_dict())  # nothing more to store
    mel = pictures(2, 1, 80, 16) * 8 - 4
    heard = network.audio_encoder(mel)
    assert heard.shape == published.audio_encoder(mel).shape
    torch.testing.assert_close(folded(network).audio_encoder(mel), heard, atol=1e-4, rtol=1e-4)
    save_model(network, tmp_path / "m.safetensors")
    torch.testing.assert_close(load_model(tmp_path / "m.safetensors").audio_encoder(mel), heard)


@pytest.mark.parametrize(
    ("build", "said"),
    [(SyncNet, "view"), (SyncNet, "hearing"), (Wav2Lip, "head"), (Wav2Lip, "hearing")],
)
def test_unknown_kinds_are_refused(build, said):
    with pytest.raises(ConfigError, match=said):
        build(**SMALL, **{said: "other"})
