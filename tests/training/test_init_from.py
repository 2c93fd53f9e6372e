"""Training that starts from the weights of a file."""

import pytest
import torch
from tiny import ADAM, CONSTANT, changed

from lipsync.checkpoints import save_model
from lipsync.errors import CheckpointError
from lipsync.features import Mel
from lipsync.models import LipGAN, LipGANDiscriminator, QualityDiscriminator, SyncNet, Wav2Lip
from lipsync.training import ExpertTraining, GeneratorTraining, terms
from lipsync.training.weights import start_from

LEARNING = {"optimizer": ADAM, "schedule": CONSTANT}


@pytest.fixture
def saved(tmp_path):
    """Weights in files: ``saved(network)`` -> its path."""

    def save(network: torch.nn.Module) -> str:
        with torch.no_grad():
            for value in network.parameters():
                value.uniform_(-0.1, 0.1)
        path = tmp_path / f"{type(network).__name__}-{len(list(tmp_path.iterdir()))}.safetensors"
        save_model(network, path)
        return str(path)

    return save


def small(cls: type, **sizes) -> torch.nn.Module:
    return cls(**{"image_size": 96, "width": 0.1, **sizes})


def test_an_expert_begins_from_a_file(saved):
    given = small(SyncNet, depth=0)
    loss = {"bce": terms.PairsBCE(weight=1.0)}
    module = ExpertTraining(small(SyncNet, depth=0), loss, **LEARNING, init_from=saved(given))
    assert not changed(module.expert, given.state_dict())
    assert module.expert.training
    assert all(p.requires_grad for p in module.expert.parameters())


@pytest.mark.parametrize(
    ("painter", "opponent"), [(Wav2Lip, QualityDiscriminator), (LipGAN, LipGANDiscriminator)]
)
def test_generator_and_discriminator_begin_from_files(saved, painter, opponent):
    given, given_judge = small(painter, depth=0), small(opponent)
    module = GeneratorTraining(
        small(painter, depth=0),
        {"reconstruction": terms.Reconstruction(weight=1.0)},
        discriminator=small(opponent),
        **LEARNING,
        init_from=saved(given),
        discriminator_init_from=saved(given_judge),
    )
    assert not changed(module.generator, given.state_dict())
    assert not changed(module.discriminator, given_judge.state_dict())


def test_an_official_file_begins_a_training(tmp_path):
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in SyncNet().state_dict().items()}
    state = {name: torch.full((), 0.5).expand(shape) for name, shape in shapes.items()}
    torch.save({"state_dict": state, "optimizer": {}}, tmp_path / "lipsync_expert.pth")
    network = SyncNet()
    start_from(network, tmp_path / "lipsync_expert.pth", "expert")
    assert all((p == 0.5).all() for p in network.parameters())


def test_another_network_or_other_sizes_are_one_line(saved):
    def refusal(network: torch.nn.Module, source: str, part: str) -> str:
        with pytest.raises(CheckpointError) as caught:
            start_from(network, source, part)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    expert = saved(small(SyncNet, depth=0))
    generator = small(Wav2Lip, depth=0)
    message = refusal(generator, expert, "generator")
    assert message == f"{expert}: holds a SyncNet, but this training needs a Wav2Lip"

    larger = saved(Wav2Lip(128, width=0.2, depth=0, feature=Mel(lead=1)))
    assert refusal(generator, larger, "generator") == (
        f"{larger}: is a Wav2Lip of image_size 128, width 0.2, but this training builds "
        "image_size 96, "
        "width 0.1; give data.image_size=128 model.generator.width=0.2"
    )
    framed = saved(Wav2Lip(96, width=0.1, depth=0, framing="aligned"))
    assert "give data.framing=aligned" in refusal(generator, framed, "generator")


def test_another_lead_is_told_and_kept_out(saved, caplog):
    given = Wav2Lip(96, width=0.1, depth=0, feature=Mel(lead=1))
    network = Wav2Lip(96, width=0.1, depth=0, feature=Mel(lead=2))
    with caplog.at_level("INFO"):
        start_from(network, saved(given), "generator")
    assert network.config["feature"]["lead"] == 2
    assert "was trained with model.generator.feature.lead=1" in caplog.text


@pytest.mark.parametrize("known", [True, False])
def test_what_trained_the_weights_before_is_not_forgotten(tmp_path, known):
    card = {"frozen": {"sync": ["abc"]}} if known else {}
    save_model(small(Wav2Lip, depth=0), tmp_path / "given.safetensors", card)
    module = GeneratorTraining(
        small(Wav2Lip, depth=0),
        {"reconstruction": terms.Reconstruction(weight=1.0)},
        **LEARNING,
        init_from=tmp_path / "given.safetensors",
    )
    assert module.about().get("frozen") == (card["frozen"] if known else None)
