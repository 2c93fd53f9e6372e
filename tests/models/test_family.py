"""The networks at other sizes, their gradients, and input validation."""

import copy
import pickle

import pytest
import torch

from lipsync.errors import ConfigError
from lipsync.models import (
    LipGAN,
    LipGANDiscriminator,
    QualityDiscriminator,
    SyncNet,
    SyncNetV2,
    Wav2Lip,
)
from lipsync.models.blocks import halvings, repeats, scaled

SIZES = (96, 128, 192, 256, 288, 384, 512)
GENERATORS = (Wav2Lip, LipGAN)
ALL = (Wav2Lip, SyncNet, QualityDiscriminator, LipGAN, LipGANDiscriminator)


def inputs(model, size: int, batch: int = 2) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(size)
    shapes = {
        Wav2Lip: [(1, 80, 16), (6, size, size)],
        SyncNet: [(1, 80, 16), (15, size // 2, size)],
        QualityDiscriminator: [(3, size, size)],
        LipGAN: [(1, 12, 35), (6, size, size)],
        LipGANDiscriminator: [(1, 12, 35), (3, size, size)],
    }[model]
    return tuple(torch.rand(batch, *shape, generator=g) for shape in shapes)


def build(model, size: int, **options):
    torch.manual_seed(0)
    options = {"depth": 0.5, **options}
    if "Discriminator" in model.__name__:
        options.pop("depth")
    return model(image_size=size, width=0.125, **options)


def test_sides_halve_and_round_up():
    assert halvings(96) == [48, 24, 12, 6, 3]
    assert halvings(288) == [144, 72, 36, 18, 9, 5, 3]
    assert halvings(512)[-1] == halvings(128)[-1] == 4
    assert [scaled(c, 0.5) for c in (16, 32, 384)] == [8, 16, 192]
    assert scaled(16, 0.25) == 8  # never fewer
    assert scaled(64, 0.7) == 48  # 44.8 rounds to a multiple of eight
    assert [repeats(n, 0.5) for n in (0, 1, 2, 3)] == [0, 1, 1, 2]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("model", ALL, ids=lambda m: m.__name__)
def test_every_size_learns(model, size):
    network = build(model, size)
    data = inputs(model, size)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    out = network(*data)
    tensors = out if isinstance(out, tuple) else (out,)
    expected = {
        Wav2Lip: [(2, 3, size, size)],
        SyncNet: [(2, 512), (2, 512)],
        QualityDiscriminator: [(2, 1)],
        LipGAN: [(2, 3, size, size)],
        LipGANDiscriminator: [(2,)],
    }[model]
    assert [tuple(t.shape) for t in tensors] == expected
    weight = torch.randn(tensors[0].shape, generator=torch.Generator().manual_seed(1))
    sum((t * weight).sum() for t in tensors).backward()
    optimiser.step()
    for name, p in network.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name
        assert not torch.equal(before[name], p), name
    assert network.config["image_size"] == size


@pytest.mark.parametrize("model", ALL, ids=lambda m: m.__name__)
def test_config_rebuilds_the_model(model):
    network = build(model, 128)
    twin = model(**pickle.loads(pickle.dumps(network.config)))
    twin.load_state_dict(network.state_dict())
    assert twin.config == network.config
    data = inputs(model, 128)
    for a, b in zip(network.eval()(*data), copy.deepcopy(twin).eval()(*data), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("model", GENERATORS, ids=lambda m: m.__name__)
def test_time_is_folded_into_the_batch(model):
    network = build(model, 96).eval()
    sound, faces = inputs(model, 96, batch=6)
    flat = network(sound, faces)
    timed = network(sound.unflatten(0, (2, 3)), faces.unflatten(0, (2, 3)))
    torch.testing.assert_close(timed, flat.unflatten(0, (2, 3)))
    assert flat.min() >= 0
    assert flat.max() <= 1


@pytest.mark.parametrize(
    ("depth", "blocks"),
    # residual blocks of the published network: face 2+3+2+2+1, mel 2+2+2+1, decoder 1+2*5
    [(0.0, 0), (1.0, 10 + 7 + 11)],
)
def test_depth_counts_residual_blocks(depth, blocks):
    network = Wav2Lip(width=0.125, depth=depth)
    assert sum(getattr(m, "residual", False) for m in network.modules()) == blocks


def test_expert_embeddings_are_unit_and_512_wide_at_any_width():
    network = build(SyncNet, 192).eval()
    audio, face = network(*inputs(SyncNet, 192))
    for embedding in (audio, face):
        assert embedding.shape == (2, 512)
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
        assert (embedding >= 0).all()


def test_discriminators_see_what_they_should():
    quality = build(QualityDiscriminator, 96).eval()
    (faces,) = inputs(QualityDiscriminator, 96)
    upper, lower = faces.clone(), faces.clone()
    upper[:, :, :48] = 0
    lower[:, :, 48:] = 0
    torch.testing.assert_close(quality(upper), quality(faces))
    assert ((quality(lower) - quality(faces)).abs() > 0.01).all()

    gan = build(LipGANDiscriminator, 96)
    sound, faces = inputs(LipGANDiscriminator, 96)
    expected = (gan.embed_audio(sound) - gan.embed_face(faces)).norm(dim=1)
    torch.testing.assert_close(gan(sound, faces), expected)


def test_a_new_discriminator_looks_at_differences_and_not_at_the_mean():
    """Mid-grey gives zero in its first layer, except at the zero-padded border."""
    first = build(QualityDiscriminator, 96).face_encoder_blocks[0][0]
    grey = first(torch.full((1, 3, 48, 96), 0.5))[..., 4:-4, 4:-4]
    assert grey.abs().max() < 1e-5
    assert first(torch.rand(1, 3, 48, 96))[..., 4:-4, 4:-4].std() > 0.3


@pytest.mark.parametrize("model", ALL, ids=lambda m: m.__name__)
def test_autocast_gives_float32_close_to_the_full_precision(model):
    network = build(model, 96).eval().to(memory_format=torch.channels_last)
    data = inputs(model, 96)
    with torch.no_grad():
        exact = network(*data)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(*data)
    for a, b in zip(exact, half, strict=True):
        assert b.dtype == torch.float32
        assert (a - b).abs().max() < 0.05
    if model is SyncNet:  # normalised after the network, in float32
        torch.testing.assert_close(half[0].norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("model", ALL, ids=lambda m: m.__name__)
def test_sizes_that_cannot_be_built_are_refused(model):
    with pytest.raises(ConfigError, match="image_size 100 is not one of 96, 128"):
        model(image_size=100)
    with pytest.raises(ConfigError, match="width 0 is not in"):
        model(width=0)
    if "Discriminator" not in model.__name__:
        with pytest.raises(ConfigError, match="depth -1 is not in"):
            model(depth=-1)


def test_wrong_inputs_are_named():
    network = build(Wav2Lip, 96)
    sound, faces = inputs(Wav2Lip, 96)
    with pytest.raises(
        ValueError, match=r"sound of shape \(2, 1, 80, 12\), expected \(batch, 1, 80"
    ):
        network(sound[..., :12], faces)
    with pytest.raises(
        ValueError, match=r"faces of shape \(2, 3, 96, 96\), expected \(batch, 6, 96"
    ):
        network(sound, faces[:, :3])
    with pytest.raises(ValueError, match="1 windows of sound for 2 faces"):
        network(sound[:1], faces)
    with pytest.raises(ValueError, match="differ in batch or time"):
        network(sound[None], faces[:, None])
    with pytest.raises(
        ValueError, match=r"faces of shape \(2, 15, 96, 96\), expected \(batch, 15, 48"
    ):
        build(SyncNet, 96).embed_face(torch.zeros(2, 15, 96, 96))
    with pytest.raises(ValueError, match=r"SyncNetV2: sound of shape \(1, 1, 20, 13\), expected"):
        SyncNetV2().embed_audio(torch.zeros(1, 1, 20, 13))
