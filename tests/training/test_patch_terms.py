"""Patch discriminator terms: each view learns, and gives the generator gradients."""

from dataclasses import replace

import pytest
import torch
from test_modules import generator_data, generator_module
from tiny import changed, state, trainer

from lipsync.errors import ConfigError
from lipsync.models import PatchDiscriminator, QualityDiscriminator
from lipsync.training import terms
from lipsync.training.step import Step

VIEWS = {
    "lower": {"part": (0, 0.5, 1, 1)},
    "mouth": {"part": (0.25, 0.5, 0.75, 1), "enlarged": 2},
    "flicker": {"part": (0, 0.5, 1, 1), "frames": 5},
}


def module(frames: int = 5, **loss):
    found = {view: terms.Patches(view, matching=2.0 * (view == "lower")) for view in VIEWS}
    return generator_module(
        discriminator=PatchDiscriminator(96, VIEWS, width=0.125),
        loss=loss,
        terms=found | {"adversarial": terms.Adversarial()},
        frames=frames,
    )


def test_every_view_with_a_weight_learns_in_one_step(prepared, tmp_path):
    trained = module(lower=1.0, flicker=0.5, mouth=0.0)
    before = {view: state(part) for view, part in trained.discriminator.views.items()}
    painter = state(trained.generator)
    run = trainer(tmp_path, limit_val_batches=0)
    run.fit(trained, generator_data(prepared))
    learnt = {v: changed(part, before[v]) for v, part in trained.discriminator.views.items()}
    assert learnt == {"lower": True, "mouth": False, "flicker": True}
    assert changed(trained.generator, painter)
    logged = run.callback_metrics
    for name in ("lower", "flicker", "discriminator", "discriminator_accuracy_lower"):
        assert torch.isfinite(logged[f"train/{name}"]), name
    assert "train/discriminator_accuracy_mouth" not in logged


def test_the_loss_of_the_discriminator_is_the_sum_over_its_views():
    term = module(lower=1.0, mouth=1.0).terms
    g = torch.Generator().manual_seed(0)
    real, fake = (torch.rand(2, 5, 3, 96, 96, generator=g) for _ in range(2))
    step = Step(0, real, real, fake, torch.zeros(1))
    view = term["mouth"]
    found = [view.discriminator.look("mouth", faces)[-1] for faces in (real, fake)]
    bce = torch.nn.functional.softplus
    expected = (bce(-found[0]).mean() + bce(found[1]).mean()) / 2
    torch.testing.assert_close(view.discriminator_loss(step)[0], expected)
    torch.testing.assert_close(view(step), bce(-found[1]).mean())


def test_features_match_where_pictures_are_the_same():
    term = module(lower=1.0).terms["lower"]
    g = torch.Generator().manual_seed(0)
    real, other = (torch.rand(2, 5, 3, 96, 96, generator=g) for _ in range(2))
    plain, step = terms.Patches("lower"), Step(0, real, real, real, torch.zeros(1))
    plain.attach("lower", dict.fromkeys(("generator", "discriminator"), term.discriminator))
    torch.testing.assert_close(term(step), plain(step))
    apart = replace(step, fake=other)
    found, wanted = (term.discriminator.look("lower", x)[:-1] for x in (other, real))
    distance = sum((a - b).abs().mean() for a, b in zip(found, wanted, strict=True)) / len(found)
    torch.testing.assert_close(term(apart), plain(apart) + 2 * distance)


def test_what_cannot_work_is_refused():
    with pytest.raises(ConfigError, match="Adversarial asks nothing that a PatchDiscriminator"):
        module(adversarial=1.0)
    with pytest.raises(ConfigError, match="Patches asks nothing that a QualityDiscriminator"):
        generator_module(
            discriminator=QualityDiscriminator(96, width=0.1),
            loss={"lower": 1.0},
            terms={"lower": terms.Patches("lower")},
        )
    with pytest.raises(ConfigError, match="view=nose: the discriminator has lower, mouth, flicker"):
        generator_module(
            discriminator=PatchDiscriminator(96, VIEWS, width=0.125),
            loss={"nose": 1.0},
            terms={"nose": terms.Patches("nose")},
        )
    one = torch.rand(1, 4, 3, 96, 96)
    with pytest.raises(ConfigError, match=r"model.frames=4: the view flicker takes 5.*frames=5"):
        module(flicker=1.0).terms["flicker"](Step(0, one, one, one, one))
