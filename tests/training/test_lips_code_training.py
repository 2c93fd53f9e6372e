"""Training of a lips code: which part learns from which loss."""

from dataclasses import replace

import pytest
import torch
from test_modules import generator_data, small_expert
from tiny import ADAM, CONSTANT, changed, state, trainer

from lipsync.checkpoints.saving import save_model
from lipsync.errors import ConfigError
from lipsync.features import Mel
from lipsync.models import LipsCode, LongSyncNet, QualityDiscriminator, Wav2Lip
from lipsync.training import LipsCodeTraining, measures, terms
from lipsync.training.augment import Augment, PictureAugment
from lipsync.training.step import Step

PARTS = ("face_encoder_blocks", "gains", "coder", "audio_encoder")


def small_code() -> LipsCode:
    torch.manual_seed(0)
    feature = Mel(window=20, lead=3)
    return LipsCode(96, width=0.1, depth=0, feature=feature, framing="box", sound_width=0.1)


def code_module(**options) -> LipsCodeTraining:
    defaults = {
        "generator": small_code(),
        "optimizer": ADAM,
        "schedule": CONSTANT,
        "loss": {"lower": 1.0, "code": 1.0},
        "terms": {
            "lower": terms.LowerReconstruction(),
            "code": terms.CodeError(),
            "sync": terms.SyncShortfall(threshold=None),
            "adversarial": terms.Adversarial(),
        },
        "metrics": {"l1": measures.L1(), "code": measures.TrueCode()},
        "view": PictureAugment(flip=0.0),
        "augment": Augment(pictures=None, sound=None),
    }
    return LipsCodeTraining(**defaults | options)


def learnt(module, prepared, tmp_path) -> set[str]:
    """The parts of the generator that change in two steps."""
    before = {name: state(getattr(module.generator, name)) for name in PARTS}
    run = trainer(tmp_path)
    run.fit(module, generator_data(prepared))
    module.logged = run.callback_metrics
    return {n for n in PARTS if changed(getattr(module.generator, n), before[n])}


def test_all_parts_learn_and_the_code_is_measured(prepared, tmp_path):
    module = code_module()
    assert learnt(module, prepared, tmp_path) == set(PARTS)
    assert module.logged["val/psnr_true_code"] > 3
    assert -1 <= module.logged["val/code_correlation"] <= 1


@pytest.mark.parametrize(
    ("learns", "loss", "parts"),
    [
        ("sound", {"code": 1.0, "sync": 0.1}, {"audio_encoder"}),
        ("editor", {"lower": 1.0, "adversarial": 0.1}, {"face_encoder_blocks", "gains"}),
    ],
)
def test_one_side_learns_beside_trained_weights(prepared, tmp_path, learns, loss, parts):
    save_model(small_code(), tmp_path / "begun.safetensors", {})
    module = code_module(
        learns=learns,
        loss=loss,
        init_from=tmp_path / "begun.safetensors",
        expert=small_expert(),
        discriminator=QualityDiscriminator(96, width=0.1),
    )
    assert learnt(module, prepared, tmp_path) == parts


@pytest.mark.parametrize("pictures", [False, True])
def test_pictures_teach_editor_and_coder_and_the_code_teaches_the_audio_encoder(pictures):
    module = code_module(loss={"code": 1.0})
    faces = torch.rand(2, 5, 3, 96, 96)
    sound = torch.zeros(2, 5, 1, 80, 20)
    step = module.generate(Step(0, faces, faces[:, :2], faces, sound))
    assert step.code.shape == step.predicted_code.shape == (2, 5, 12)
    (step.fake.mean() if pictures else module.terms["code"](step)).backward()
    for name in PARTS:
        gradients = [p.grad is not None for p in getattr(module.generator, name).parameters()]
        assert any(gradients) == ((name == "audio_encoder") != pictures), name


def test_crossed_windows_have_the_face_of_another_moment_above_the_mouth():
    module, seen = code_module(crossed=0.5, view=None), []
    module.generator.face_encoder_blocks[0].register_forward_pre_hook(
        lambda _, given: seen.append(given[0].unflatten(0, (4, 2))[:, :, :3])
    )
    g = torch.Generator().manual_seed(0)
    faces, sound = torch.rand(4, 2, 3, 96, 96, generator=g), torch.zeros(4, 2, 1, 80, 20)
    reference = torch.rand(4, 2, 3, 96, 96, generator=g)
    step = module.generate(Step(0, faces, reference, faces, sound))
    torch.testing.assert_close(step.target[:2], faces[:2])
    torch.testing.assert_close(step.target[2:, :, :, 48:], faces[2:, :, :, 48:])
    for frame in (0, 1):
        torch.testing.assert_close(step.target[2:, frame, :, :48], reference[2:, 0, :, :48])
    torch.testing.assert_close(seen[0][..., :48, :], step.target[..., :48, :])
    assert seen[0][..., 48:, :].abs().max() == 0
    coded = module.generator.code_of_faces(faces.flatten(0, 1)).unflatten(0, (4, 2))
    torch.testing.assert_close(step.code, coded)  # depends only on the mouth, not the face
    assert torch.equal(
        module.eval().generate(Step(0, faces, reference, faces, sound)).target, faces
    )


def test_velocity_counts_in_the_error_of_a_code():
    code, flat = torch.zeros(1, 4, 12), torch.ones(1, 4, 12)
    shaking = flat * torch.tensor([1.0, -1.0, 1.0, -1.0]).view(1, 4, 1)
    steps = [
        Step(0, code, code, code, code, code=code, predicted_code=heard)
        for heard in (flat, shaking)
    ]
    still, moving = (terms.CodeError(velocity=0.5)(step) for step in steps)
    assert (float(still), float(moving)) == (1.0, 2.0)


def test_no_more_sync_is_asked_for_than_the_real_have():
    term = terms.SyncShortfall(small_expert(), threshold=None)
    generator = Wav2Lip(96, width=0.1, depth=0)
    term.attach("sync", {"generator": generator, "expert": None})
    g = torch.Generator().manual_seed(0)
    real, other = (torch.rand(3, 5, 3, 96, 96, generator=g) for _ in range(2))
    heard = torch.rand(3, 1, 80, 16, generator=g)

    def step(fake):
        return Step(0, real, real, fake, heard[:, None], spans={"sync": heard})

    assert term(step(real)) == 0
    audio, face = term.embed(step(real), other)
    _, truth = term.embed(step(real), real)
    short = ((audio * truth).sum(1) - (audio * face).sum(1)).clamp_min(0).mean()
    torch.testing.assert_close(term(step(other)), short)


def test_the_sync_term_asks_about_windows_as_long_as_it_is_told():
    torch.manual_seed(0)
    expert = LongSyncNet(96, width=0.1, window=25)
    term = terms.SyncShortfall(expert, threshold=None, window=9)
    term.attach("sync", {"generator": small_code(), "expert": None})
    assert terms.SyncShortfall(expert, threshold=None).span().frames == 5  # a moment
    assert term.span().frames == 9
    for loss, frames in ({"lower": 1.0}, 5), ({"lower": 1.0, "sync": 1.0}, 9):
        parts = {"lower": terms.LowerReconstruction(), "sync": term}
        assert code_module(loss=loss, terms=parts).inputs().window == frames

    g = torch.Generator().manual_seed(0)
    real, fake = (torch.rand(3, 9, 3, 96, 96, generator=g) for _ in range(2))
    heard = torch.rand(3, 1, 80, term.span().feature.window, generator=g)
    step = Step(0, real, real, fake, heard[:, None], spans={"sync": heard})
    long = expert.with_window(9).eval()
    pairs = [long(heard, long.see(faces)) for faces in (real, fake)]
    cosines = [(audio * face).sum(1) for audio, face in pairs]
    torch.testing.assert_close(term(step), (cosines[0] - cosines[1]).clamp_min(0).mean())


def test_a_window_that_an_expert_cannot_have_is_refused():
    with pytest.raises(ConfigError, match="window=9: only a LongSyncNet"):
        terms.Sync(small_expert(), window=9)
    with pytest.raises(ConfigError, match="sync window=3"):
        terms.Sync(small_expert(), window=3)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"generator": Wav2Lip(96, width=0.1, depth=0)}, "Wav2Lip has no lips code"),
        ({"learns": "lips"}, "must be one of all, editor, sound"),
        ({"learns": "sound"}, "needs trained weights; set model.init_from"),
        ({"noise": -1.0}, "model.noise=-1.0"),
        ({"crossed": 1.5}, "model.crossed=1.5"),
    ],
)
def test_options_that_cannot_work_are_refused(options, told):
    with pytest.raises(ConfigError, match=told):
        code_module(**options)


def test_every_reference_is_posed_on_its_own_and_the_target_stays():
    still = {"flip": 0.0, "grey": 0.0, "brightness": 0.0, "contrast": 0.0, "colour": 0.0}
    poses = PictureAugment(**still, shift=0.1, scale=0.0, rotate=0.0)
    module, seen = code_module(poses=poses), []
    module.generator.face_encoder_blocks[0].register_forward_pre_hook(
        lambda _, given: seen.append(given[0].unflatten(0, (2, 5)))
    )
    faces, sound = torch.rand(2, 5, 3, 96, 96), torch.zeros(2, 5, 1, 80, 20)
    given = Step(0, faces, faces[:, :1].expand(-1, 2, -1, -1, -1), faces, sound)
    module.generate(given)
    module.eval().generate(given)
    posed, unposed = (each[:, 0, 3:].unflatten(1, (2, 3)) for each in seen)
    torch.testing.assert_close(unposed, given.reference)
    assert ((posed - given.reference).abs().mean(dim=(2, 3, 4)) > 0.05).all()
    assert (posed[:, 0] - posed[:, 1]).abs().mean() > 0.05
    assert torch.equal(seen[0][:, :, :3], seen[1][:, :, :3])


def test_flows_become_short_and_smooth():
    module, term = code_module(), terms.Flow(reach=0.5)
    faces, sound = torch.rand(2, 5, 3, 96, 96), torch.zeros(2, 5, 1, 80, 20)
    step = module.generate(Step(0, faces, faces[:, :2], faces, sound))
    assert step.flows.shape == (10, 2, 2, 96, 96)
    assert term(step) == 0  # an untrained network copies every pixel from its own position
    along = torch.linspace(0, 1, 96).expand(10, 2, 2, 96, 96)  # 48 pixels in 95 steps to the right
    assert term(replace(step, flows=along)).item() == pytest.approx(48 / 95 + 0.5 * 24, rel=1e-4)
    last = module.generator.output_block[-1]
    torch.nn.init.normal_(last.weight, std=0.1)
    term(module.generate(step)).backward()
    assert last.weight.grad[5:].abs().sum() > 0
    assert last.weight.grad[:5].abs().sum() == 0  # no gradient for colours or shares
