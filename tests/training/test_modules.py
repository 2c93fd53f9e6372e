"""Training of generators with tiny networks and data."""

from functools import partial

import pytest
import torch
from tiny import ADAM, CONSTANT, changed, state, trainer

from lipsync.data.datasets import Clips, Windows
from lipsync.data.module import ClipDataModule
from lipsync.errors import ConfigError
from lipsync.features import Mel
from lipsync.models import FaceGenerator, QualityDiscriminator, SyncNet, SyncNetV2, Wav2Lip
from lipsync.training import GeneratorTraining, measures, terms
from lipsync.training.augment import Augment
from lipsync.training.batches import to_float
from lipsync.training.optim import warmup_cosine
from lipsync.training.step import Step


def small_expert(size: int = 96) -> SyncNet:
    torch.manual_seed(1)
    return SyncNet(size, width=0.1, depth=0)


def generator_module(**options) -> GeneratorTraining:
    torch.manual_seed(0)
    defaults = {
        "generator": Wav2Lip(96, width=0.1, depth=0, feature=Mel(lead=1)),
        "discriminator": QualityDiscriminator(96, width=0.1),
        "expert": small_expert(),
        "optimizer": ADAM,
        "schedule": CONSTANT,
        "loss": {"reconstruction": 1.0, "lower": 0.5, "sync": 0.3, "adversarial": 0.1},
        "terms": {
            "reconstruction": terms.Reconstruction(),
            "lower": terms.LowerReconstruction(),
            "structure": terms.Structure(),
            "sync": terms.Sync(threshold=None),
            "adversarial": terms.Adversarial(),
        },
        "metrics": {
            "l1": measures.L1(),
            "psnr": measures.PSNR(),
            "silence": measures.SilentMotion(),
            "sync": measures.TermValue("sync"),
        },
    }
    if "sync" in options:
        defaults["terms"]["sync"] = options.pop("sync")
    return GeneratorTraining(**defaults | options)


def generator_data(root) -> ClipDataModule:
    return ClipDataModule(
        root,
        Windows,
        partial(Clips, windows=1),
        image_size=96,
        batch_size=2,
        eval_batch_size=2,
        batches_per_epoch=2,
    )


def test_a_step_trains_generator_and_discriminator_and_leaves_the_expert(prepared, tmp_path):
    module = generator_module()
    expert = module.terms["sync"].expert.network
    parts = {"g": module.generator, "d": module.discriminator, "e": expert}
    before = {name: state(part) for name, part in parts.items()}
    calls = []
    module.generator.register_forward_hook(
        lambda m, *_: calls.append(torch.is_grad_enabled() and m.training)
    )
    trainer(tmp_path, limit_val_batches=0).fit(module, generator_data(prepared))
    assert changed(module.generator, before["g"])
    assert changed(module.discriminator, before["d"])
    assert not changed(expert, before["e"])  # nor its BatchNorm statistics
    assert not expert.training
    assert calls == [True, True]  # one forward pass per step, two steps
    assert module.batches_done == 2
    assert not any("expert" in name for name in module.state_dict())


def test_several_references_are_shown_beside_every_frame(prepared, tmp_path):
    generator = Wav2Lip(96, width=0.1, depth=0, head="warp", references=2)
    module, seen = generator_module(generator=generator, augment=Augment()), []
    generator.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[1]))
    data = generator_data(prepared)
    run = trainer(tmp_path)
    run.fit(module, data)
    shown = seen[-1]  # from validation, which has no augmentation
    sample = data.val[1]
    references = to_float(torch.from_numpy(sample["reference"]))
    assert references.shape == (1, 2, 3, 96, 96)
    beside = references.flatten(1, 2)[:, None].expand(-1, 5, -1, -1, -1)
    torch.testing.assert_close(shown[1:, :, 3:], beside)
    assert module.paint_clip(data.val.clip("ben/4"), 12).shape == (12, 3, 96, 96)
    batch = torch.utils.data.default_collate([sample])
    copied = module.eval().paint_systems(batch)["copied_reference"].fake
    torch.testing.assert_close(copied, references[:, :1].expand(-1, 5, -1, -1, -1))

    batch["reference"] = batch["faces"][:, :, [3, 1]]
    step = module.train().prepare(batch)
    assert not torch.equal(step.target, to_float(batch["faces"][0]))  # augmented, consistently
    torch.testing.assert_close(step.reference, step.target[:, [3, 1]])


def test_the_generator_is_not_moved_by_the_discriminator_s_loss(prepared, tmp_path):
    module = generator_module(loss={"adversarial": 1.0})
    module.loss_weights["adversarial"] = 0.0
    weights = [p.clone() for p in module.generator.parameters()]
    discriminator = state(module.discriminator)
    trainer(tmp_path, limit_val_batches=0).fit(module, generator_data(prepared))
    assert changed(module.discriminator, discriminator)
    for old, new in zip(weights, module.generator.parameters(), strict=True):
        assert torch.equal(old, new)


def test_a_batch_of_a_single_frame_is_refused_in_one_line(prepared, tmp_path):
    data = generator_data(prepared)
    data.batch_size = 1
    module = generator_module(frames=1, loss={"reconstruction": 1.0}, discriminator=None)
    with pytest.raises(ConfigError, match="a batch of a single frame"):
        trainer(tmp_path).fit(module, data)


def test_it_trains_without_a_discriminator(prepared, tmp_path):
    module = generator_module(discriminator=None)
    run = trainer(tmp_path)
    run.fit(module, generator_data(prepared))
    assert module.batches_done == 2
    assert {"train/reconstruction", "train/sync"} <= set(run.callback_metrics)
    assert "train/adversarial" not in run.callback_metrics


def test_every_term_and_every_baseline_is_logged(prepared, tmp_path):
    run = trainer(tmp_path)
    run.fit(generator_module(), generator_data(prepared))
    logged = set(run.callback_metrics)
    for name in ("reconstruction", "lower", "sync", "adversarial", "discriminator_accuracy"):
        assert f"train/{name}" in logged
    for system in ("generated", "swapped_audio", "copied_reference", "real"):
        assert {f"val/l1_{system}", f"val/sync_{system}"} <= logged
    assert run.callback_metrics["val/l1_real"] == 0
    assert 0 <= run.callback_metrics["val/silent_motion_generated"] < 0.5
    # The fixture's pixels are independent noise of 0 to 255: the mean distance of two is a third.
    assert run.callback_metrics["val/l1_copied_reference"] == pytest.approx(1 / 3, abs=0.01)


def test_the_sync_weight_waits_for_the_validation_loss(prepared, tmp_path):
    waits = generator_module(sync=terms.Sync(threshold=1e-9))
    trainer(tmp_path).fit(waits, generator_data(prepared))
    assert waits.weights(2)["sync"] == 0.0

    starts = generator_module(sync=terms.Sync(threshold=99.0, ramp=4))
    assert starts.weights(0)["sync"] == 0.0
    run = trainer(tmp_path)
    run.fit(starts, generator_data(prepared))
    assert starts.terms["sync"].start == 2  # the batch after the first validation
    assert starts.weights(2)["sync"] == pytest.approx(0.3 * 1 / 4)
    assert starts.weights(2)["reconstruction"] == 1.0
    assert run.callback_metrics["train/sync_weight"] == 0.0

    at_once = generator_module(sync=terms.Sync(threshold=None, ramp=2))
    assert [at_once.weights(b)["sync"] for b in (0, 1, 9)] == pytest.approx([0.15, 0.3, 0.3])


def test_a_term_without_weight_for_now_gives_no_gradient():
    module = generator_module(sync=terms.Sync(threshold=99.0))
    windows = torch.rand(1, 5, 3, 96, 96)
    step = Step(
        0, windows, windows, windows.clone().requires_grad_(),
        torch.zeros(1, 5, 1, 80, 16), {"sync": torch.zeros(1, 1, 80, 16)},
    )  # fmt: skip
    values = module.term_values(step, module.weights(0))
    assert values["lower"].requires_grad
    assert not values["sync"].requires_grad


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"expert": small_expert(128)}, "networks differ in image_size: generator 96, expert 128"),
        ({"expert": Wav2Lip(96, width=0.1, depth=0)}, "model.expert is a Wav2Lip, which does"),
        ({"expert": None}, "model.loss.sync needs an expert; set model.expert"),
        ({"loss": {"sync": -0.1}}, "model.loss.sync=-0.1: a weight must be 0 or more"),
        ({"loss": {"lower": float("nan")}}, "model.loss.lower=nan: a weight must be 0 or more"),
        ({"loss": {"lower": True}}, "model.loss.lower=True: must be a weight, or a term"),
        ({"loss": {"perceptual": 0.1}}, "model.loss.perceptual: unknown term"),
        ({"loss": {"lower": 0.0}}, "all weights are 0, so nothing would be learnt"),
        ({"loss": {"lower": terms.Reconstruction(weight=1.0)}}, "also has a term of that name"),
        (
            {"loss": {"reconstruction": 1.0, "again": terms.Reconstruction(weight=0.5)}},
            "model.loss.again and model.loss.reconstruction are the same term",
        ),
        ({"loss": {"mine": torch.nn.Linear(1, 1)}}, "model.loss.mine: Linear is not a Term"),
        (
            {"augment": Augment(sound={"mel": {"louder": 1.0}})},
            "sound.mel.louder: unknown; available: gain",
        ),
    ],
)
def test_objectives_that_cannot_work_are_one_line(options, problem):
    with pytest.raises(ConfigError, match=problem.replace("(", r"\(")) as error:
        generator_module(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: terms.Sync(small_expert(), ramp=-5), "ramp=-5"),
        (lambda: terms.Sync(small_expert(), threshold=0), "threshold=0"),
        (lambda: terms.ClipInfoNCE(min_gap=99), "contrastive_gap=99"),
        (lambda: terms.PairsBCE(min_gap=0), "min_gap=0"),
    ],
)
def test_terms_that_would_teach_nothing_are_refused(make, problem):
    with pytest.raises(ConfigError, match=problem):
        make()


def test_a_term_may_carry_its_own_weight():
    module = generator_module(loss={"lower": 0.5, "mine": terms.Reconstruction(weight=2.0)})
    assert module.weights(0) == {"lower": 0.5, "mine": 2.0}


def test_what_trains_a_generator_cannot_judge_it():
    expert = small_expert()
    with pytest.raises(ConfigError, match=r"model.judge is the network of model.loss.sync"):
        generator_module(expert=expert, judge=expert, metrics={"judge": measures.JudgeDistance()})
    other = SyncNetV2(96, width=0.1, framing="aligned", unit=True)
    with pytest.raises(ConfigError, match=r"framing 'aligned', the generator uses 'box'"):
        generator_module(judge=other, metrics={"judge": measures.JudgeDistance()})


def test_a_judge_of_another_size_and_sound_selects(prepared, tmp_path):
    judge = SyncNetV2(64, width=0.1, framing="box", unit=True, window=9)
    metrics = {"l1": measures.L1(), "judge": measures.JudgeDistance(), "s": measures.Sharpness()}
    module = generator_module(judge=judge, metrics=metrics)
    assert module.inputs().window == 5
    assert module.inputs(evaluation=True).window == 9
    run = trainer(tmp_path)
    run.fit(module, generator_data(prepared))
    found = {k.removeprefix("val/"): float(v) for k, v in run.callback_metrics.items()}
    assert found["judge_generated"] > 0
    assert found["score"] == pytest.approx(measures.selection_score(found))


class Planted(FaceGenerator):
    """Paints according to ``how``: the masked target, nothing, or the sound's level."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.unused = how, torch.nn.Parameter(torch.zeros(1))
        self.config = {"image_size": 96, "framing": "box", "feature": Mel().record}

    def forward(self, sound: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        if self.how == "copies":  # the upper half below
            return torch.cat([faces[..., :3, :48, :]] * 2, dim=-2) / 2 + self.unused
        level = (sound.mean(dim=(-3, -2, -1)) + 4) / 8 if self.how == "hears" else 0 * self.unused
        return torch.zeros_like(faces[..., 3:, :, :]) + level.reshape(*level.shape, 1, 1, 1)


@pytest.mark.parametrize(("how", "share"), [("copies", 0.5), ("rests", 0), ("hears", 0)])
def test_silent_motion_is_what_moves_without_sound(how, share):
    measure = measures.SilentMotion()
    measure.attach("silence", {"generator": Planted(how)}, {})
    target, reference = torch.zeros(4, 5, 3, 96, 96), torch.ones(4, 1, 3, 96, 96)
    target[:, ::2] = 0.8
    step = Step(0, target, reference, target, torch.randn(4, 5, 1, 80, 16))
    for part in (slice(0, 3), slice(3, 4)):  # for any split into batches
        parts = (value[part] for value in (target, reference, target, step.sound))
        measure.update({"real": Step(0, *parts)})
    assert measure.compute(True) == pytest.approx({"silent_motion_generated": share})
    measure.update({"real": Step(0, target * 0, reference, target, step.sound)})
    assert measure.compute(True) == {}  # undefined for still images


def test_the_score_is_0_for_real_videos_and_1_a_part_for_the_pasted_reference():
    real = {"l1_real": 0.0, "judge_real": 1.0, "sharpness_real": 0.04}
    copied = {"l1_copied_reference": 0.05, "judge_copied_reference": 1.2}

    def score(l1: float, judge: float, sharpness: float) -> float:
        made = {"l1_generated": l1, "judge_generated": judge, "sharpness_generated": sharpness}
        return measures.selection_score(real | copied | made)

    assert score(0.0, 1.0, 0.04) == pytest.approx(0.0)
    assert score(0.05, 1.2, 0.04) == pytest.approx(2.0)
    assert score(0.05, 1.2, 0.04 / 4) == pytest.approx(2.0 + torch.tensor(2.0).log().item())
    assert score(0.0, 1.0, 0.04 * 4) == score(0.0, 1.0, 0.04 / 4)
    deaf = real | copied | {"l1_generated": 0.05, "judge_generated": 3, "judge_real": 1.199}
    assert measures.selection_score(deaf) == pytest.approx(1.0)  # a judge that cannot tell


def test_the_checkpoint_says_what_is_in_it(prepared, tmp_path):
    run = trainer(tmp_path)
    run.fit(generator_module(), generator_data(prepared))
    run.save_checkpoint(tmp_path / "x.ckpt")
    told = torch.load(tmp_path / "x.ckpt", weights_only=True)["lipsync"]
    assert told["class"] == "Wav2Lip"
    assert told["config"]["feature"] == Mel(lead=1).record
    assert list(told["frozen"]) == ["sync"]

    from lipsync.checkpoints import load_model

    loaded = load_model(tmp_path / "x.ckpt")
    assert not loaded.training
    for name, value in run.lightning_module.generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_the_learning_rate_rises_and_falls():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = warmup_cosine(optimizer, total=100, warmup=10, final=0.1)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.55)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
