"""Recorded outputs of the published networks, for weights and inputs derived from names."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from deterministic import fill, image, mel

from lipsync.metrics.functional import offset_curve, sync_score
from lipsync.models import QualityDiscriminator, SyncNet, SyncNetV2, Wav2Lip

GOLDEN = Path(__file__).parents[1] / "golden"
SHAPES = json.loads((GOLDEN / "public_state_dict_shapes.json").read_text())


def close(found: torch.Tensor, expected: np.ndarray, atol: float = 1e-5, rtol: float = 0.0):
    np.testing.assert_allclose(found.numpy(), expected, atol=atol, rtol=rtol)


@pytest.fixture(scope="module")
def wav2lip():
    return dict(np.load(GOLDEN / "public_wav2lip.npz"))


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.inference_mode():
        yield


@pytest.mark.parametrize(
    ("published", "model", "millions"),
    [
        ("Wav2Lip", Wav2Lip, 36.298035),
        ("SyncNet_color", SyncNet, 16.435072),
        ("Wav2Lip_disc_qual", QualityDiscriminator, 14.113793),
        ("syncnet_python_S", SyncNetV2, 13.631616),
    ],
)
def test_parameters_carry_the_published_names_and_shapes(published, model, millions):
    network = model()
    state = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert state == SHAPES[published]
    assert list(state) == list(SHAPES[published])
    assert sum(p.numel() for p in network.parameters()) == round(millions * 1e6)


def test_wav2lip(wav2lip):
    network = fill(Wav2Lip())
    single = network(mel("mel4", 2, 1, 80, 16), image("face4", 2, 6, 96, 96))
    close(single[:, :, ::8, ::8], wav2lip["wav2lip_y4_ch0_stride8"])
    # recorded with time after channels: (1, 6, 5, 96, 96)
    faces = image("face5", 1, 6, 5, 96, 96).transpose(1, 2)
    timed = network(mel("mel5", 1, 5, 1, 80, 16), faces)
    assert timed.shape == (1, 5, 3, 96, 96)
    close(timed.transpose(1, 2)[:, :, :, ::16, ::16], wav2lip["wav2lip_y5_stride16"])
    moments = [single.mean(), single.std(), timed.mean(), timed.std()]
    # numpy's standard deviation divides by n, not n - 1: within the tolerance
    close(torch.stack(moments), wav2lip["wav2lip_y4_mean_std"])


def test_expert(wav2lip):
    audio, face = fill(SyncNet())(mel("melS", 3, 1, 80, 16), image("faceS", 3, 15, 48, 96))
    close(audio, wav2lip["syncnet_audio"])
    close(face, wav2lip["syncnet_face"])
    cosine = F.cosine_similarity(audio, face)
    close(cosine, wav2lip["syncnet_cosine"])
    target = torch.tensor([1.0, 0.0, 1.0])
    bce = F.binary_cross_entropy(cosine, target, reduction="none")
    close(bce, wav2lip["syncnet_bce"])


def test_quality_discriminator(wav2lip):
    network = fill(QualityDiscriminator())
    clips = image("disc", 2, 3, 5, 96, 96)
    probability = network(clips)
    close(probability, wav2lip["disc_prob"])
    close(
        F.binary_cross_entropy(probability, torch.ones_like(probability)),
        wav2lip["disc_perceptual"],
    )
    close(torch.sigmoid(network.logits(clips)), wav2lip["disc_prob"])
    frames = clips.permute(2, 0, 1, 3, 4).reshape(10, 3, 96, 96)  # time-major
    torch.testing.assert_close(network(frames), probability)


def test_syncnet_v2_and_what_the_offset_search_makes_of_it():
    golden = np.load(GOLDEN / "public_syncnet_v2.npz")
    mfcc = torch.from_numpy(np.load(GOLDEN / "public_audio.npz")["mfcc"]).float()
    network = fill(SyncNetV2())
    frames = image("lip", 25, 3, 28, 28, high=255.0)
    frames = frames.repeat_interleave(8, 2).repeat_interleave(8, 3)  # 224x224
    last = int(golden["last"])
    assert last == min(25, 32000 // 640) - 5
    face = torch.cat(
        [network.embed_face(frames[i : i + 5].transpose(0, 1)[None]) for i in range(last)]
    )
    sound = [mfcc[4 * i : 4 * i + 20].T[None, None] for i in range(last)]
    audio = network.embed_audio(torch.cat(sound))
    # values up to 60: 1e-5 is below float32 precision there
    close(face[:, ::8], golden["lip"], rtol=1e-5)
    close(audio[:, ::8], golden["aud"], rtol=1e-5)
    score = sync_score(face, audio)
    close(offset_curve(face, audio), golden["mean_dist"], rtol=1e-6)
    assert score.distance == pytest.approx(float(golden["min_dist"]), rel=1e-6)
    assert score.confidence == pytest.approx(float(golden["conf"]), abs=1e-4)
    assert score.offset == int(golden["offset"])
    close(score.frame_confidence, golden["frame_conf"], atol=1e-4)
