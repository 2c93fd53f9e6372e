"""The feature loss: 0 for equal images; gradients for the generator, none for the network."""

import pytest
import torch
from safetensors.torch import save_file
from test_modules import generator_data, generator_module, small_expert
from tiny import changed, state, trainer
from torch import nn

from lipsync import losses
from lipsync.checkpoints import fingerprint
from lipsync.errors import CheckpointError, ConfigError
from lipsync.models import LongSyncNet, SyncNetV2, Wav2Lip
from lipsync.training.step import Step
from lipsync.training.terms import Features
from lipsync.training.terms.vgg import read_vgg


def vgg_state(channels=((4, 4), (6,), (8, 8))) -> dict[str, torch.Tensor]:
    """Like torchvision's: convolution, ReLU, ..., pooling, then a classifier."""
    torch.manual_seed(2)
    layers, before = [], 3
    for stage in channels:
        for count in stage:
            layers += [nn.Conv2d(before, count, 3, padding=1), nn.ReLU()]
            before = count
        layers.append(nn.MaxPool2d(2, 2))
    state = {f"features.{k}": v for k, v in nn.Sequential(*layers).state_dict().items()}
    return state | {"classifier.0.weight": torch.zeros(2, 2)}


def vgg_file(path):
    torch.save(vgg_state(), path)
    return path


def attached(term: Features, expert=None) -> Features:
    term.attach("features", {"generator": Wav2Lip(96, width=0.1, depth=0), "expert": expert})
    return term


def step_of(fake: torch.Tensor, target: torch.Tensor) -> Step:
    return Step(0, target, target[:, :1], fake, torch.zeros(1))


def pictures(seed: int, size: int = 96) -> torch.Tensor:
    return torch.rand(2, 5, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["expert", "long expert", "vgg"])
def term(request, tmp_path) -> Features:
    match request.param:
        case "expert":
            return attached(Features(), small_expert())
        case "long expert":
            return attached(Features(LongSyncNet(96, width=0.2)))
        case _:
            return attached(Features(f"vgg:{vgg_file(tmp_path / 'vgg.pth')}"))


def test_equal_pictures_give_0_and_others_a_gradient_for_themselves_alone(term):
    target = pictures(0)
    assert float(term(step_of(target.clone(), target))) == 0
    fake = pictures(1).requires_grad_()
    target.requires_grad_()
    value = term(step_of(fake, target))
    assert 0.01 < value.item() < 20
    value.backward()
    assert fake.grad.abs().sum() > 0
    assert target.grad is None
    assert all(p.grad is None for p in term.frozen.network.parameters())
    assert not list(term.parameters())


def test_a_nearer_picture_is_nearer(term):
    target, other = pictures(0), pictures(1)
    values = [float(term(step_of(target.lerp(other, w), target))) for w in (0.05, 0.2, 0.8)]
    assert values == sorted(values)


def test_the_difference_is_relative_to_the_true_activations():
    real = torch.tensor([1.0, -3.0])
    fake = torch.tensor([2.0, -3.0])
    assert float(losses.feature_difference(fake, real)) == 0.25
    assert float(losses.feature_difference(100 * fake, 100 * real)) == 0.25


def test_layers_can_be_chosen():
    target, fake = pictures(0), pictures(1)
    whole = attached(Features(), small_expert())
    count = len(whole.frozen.network.face_encoder)
    parts = [attached(Features(layers=[k]), small_expert()) for k in range(count)]
    found = [float(one(step_of(fake, target))) for one in parts]
    assert len(set(found)) == count
    assert float(whole(step_of(fake, target))) == pytest.approx(sum(found) / count, rel=1e-5)
    with pytest.raises(ConfigError, match=f"layers=\\[0, {count}\\]: must be of 0 to {count - 1}"):
        attached(Features(layers=[0, count]), small_expert())


def test_two_batches_are_trained_and_the_network_stays(prepared, tmp_path):
    loss = {"reconstruction": 1.0, "features": 0.5}
    module = generator_module(
        discriminator=None, loss=loss, terms=generator_terms(Features()), metrics=None
    )
    network = module.terms["features"].frozen.network
    before = state(network), state(module.generator)
    run = trainer(tmp_path, limit_val_batches=0)
    run.fit(module, generator_data(prepared))
    assert module.batches_done == 2
    assert not changed(network, before[0])
    assert changed(module.generator, before[1])
    assert not network.training
    assert float(run.callback_metrics["train/features"]) > 0
    assert module.about()["frozen"] == {"features": [fingerprint(small_expert())]}
    assert not any("features" in name for name in module.state_dict())


def generator_terms(features: Features) -> dict:
    from lipsync.training import terms

    return {"reconstruction": terms.Reconstruction(), "features": features}


def test_vgg_is_what_its_state_dict_says(tmp_path):
    save_file(vgg_state(), tmp_path / "vgg.safetensors")
    network = read_vgg(tmp_path / "vgg.safetensors")
    assert fingerprint(network) == fingerprint(read_vgg(vgg_file(tmp_path / "vgg.pth")))
    weights = vgg_state()
    seen = torch.rand(1, 3, 32, 32)
    mean, spread = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    values = (seen - torch.tensor(mean)[:, None, None]) / torch.tensor(spread)[:, None, None]
    for number in (0, 2, None, 5, None, 8, 10):
        if number is None:
            values = nn.functional.max_pool2d(values, 2)
        else:
            kernel, bias = (weights[f"features.{number}.{part}"] for part in ("weight", "bias"))
            values = nn.functional.conv2d(values, kernel, bias, padding=1).relu()
    torch.testing.assert_close(network(seen), values)
    assert len(network.stages) == 3


def test_networks_that_cannot_be_used(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.loss\.features needs an expert"):
        attached(Features())
    with pytest.raises(ConfigError, match="a SyncNetV2 cannot be used"):
        attached(Features(SyncNetV2()))
    with pytest.raises(ConfigError, match="networks differ in image_size"):
        attached(Features(small_expert(128)))
    with pytest.raises(ConfigError, match="a Wav2Lip, which does not compare"):
        attached(Features(Wav2Lip(96, width=0.1, depth=0)))
    normed = vgg_state()
    normed["features.1.weight"] = normed["features.1.bias"] = torch.ones(4)
    for name, found, problem in [
        ("other.pth", {"conv.weight": torch.zeros(2)}, "has no layers features.0"),
        ("normed.pth", normed, "its layer features.1 is not VGG's"),
        ("list.pth", [1, 2], "has no layers features.0"),
    ]:
        torch.save(found, tmp_path / name)
        with pytest.raises(CheckpointError, match=problem):
            Features(f"vgg:{tmp_path / name}")
    with pytest.raises(CheckpointError, match="no such file"):
        Features(f"vgg:{tmp_path / 'none.pth'}")
