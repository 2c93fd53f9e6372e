import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

from lipsync import losses


def unit(*rows: tuple[float, ...]) -> torch.Tensor:
    return F.normalize(torch.tensor(rows), dim=-1)


def test_weighted_sum_is_the_sum_of_weight_times_term():
    terms = {"a": torch.tensor(2.0), "b": torch.tensor(3.0), "seen": torch.tensor(100.0)}
    assert losses.weighted_sum(terms, {"a": 0.5, "b": 2.0}) == 7.0
    assert losses.weighted_sum(terms, {"a": 0.0}) == 0.0
    with pytest.raises(KeyError):
        losses.weighted_sum(terms, {"misspelt": 1.0})


def test_reconstruction_and_its_lower_half():
    real = torch.zeros(2, 5, 3, 8, 8)
    fake = real.clone()
    fake[..., 4:, :] = 0.5
    assert losses.reconstruction(fake, real) == 0.25
    assert losses.lower_reconstruction(fake, real) == 0.5


def test_cosine_bce_by_hand():
    audio = unit((1.0, 0.0), (1.0, 1.0))
    face = unit((3.0, 4.0), (1.0, 0.0))
    value = losses.cosine_bce(audio, face, torch.tensor([1.0, 0.0]))
    expected = (-math.log(0.6) - math.log(1 - math.sqrt(0.5))) / 2
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_what_is_not_a_number_is_a_loss_and_no_end_of_the_program():
    good = unit((1.0, 0.0), (1.0, 1.0))
    bad = torch.full_like(good, float("nan"))
    assert losses.cosine_bce(good, bad, torch.ones(2)).isnan()
    start = torch.tensor([[0, 20]])
    assert losses.pairs_bce(bad[None], good[None], start, min_gap=5).isnan()


def test_pairs_bce_takes_negatives_at_their_gap_only():
    # Sounds 0 and 1 are near each other, 2 is far from both. A face equal to all sounds that lie
    # within the gap costs nothing unless a near window is taken for a negative.
    audio = unit((1.0, 0.0), (1.0, 0.0), (0.0, 1.0))[None]
    start = torch.tensor([[0, 3, 20]])
    assert losses.pairs_bce(audio, audio, start, min_gap=5) < 1e-4
    assert losses.pairs_bce(audio, audio, start, min_gap=1) > 5


def test_pairs_bce_weighs_positives_and_negatives_the_same():
    audio = unit((1.0, 1.0), (1.0, 1.0))[None]
    face = unit((1.0, 0.0), (1.0, 0.0))[None]
    cosine = math.sqrt(0.5)
    expected = -(math.log(cosine) + math.log(1 - cosine)) / 2
    value = losses.pairs_bce(audio, face, torch.tensor([[0, 9]]), 5)
    assert value.item() == pytest.approx(expected, abs=1e-5)


def test_sigmoid_loss_by_hand_and_without_near_windows():
    audio = unit((1.0, 0.0), (0.0, 1.0), (1.0, 0.0))[None]
    face = unit((1.0, 0.0), (0.0, 1.0), (0.0, 1.0))[None]
    start, scale, bias = torch.tensor([[0, 2, 20]]), torch.tensor(4.0), torch.tensor(-2.0)
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    positive = (right + right + wrong) / 3  # the third face does not match its sound
    negative = (wrong + right + right + wrong) / 4  # 0-2, 1-2, 2-0, 2-1; 0 and 1 are near
    value = losses.pairs_sigmoid(audio, face, start, scale, bias, min_gap=5)
    assert value.item() == pytest.approx((positive + negative) / 2, abs=1e-6)


def test_contrastive_loss_by_hand():
    audio = unit((1.0, 0.0), (0.0, 1.0))[None]
    value = losses.clip_info_nce(audio, audio, torch.tensor([[0, 9]]), torch.tensor(0.5), 2)
    assert value.item() == pytest.approx(math.log(1 + math.exp(-2.0)), abs=1e-6)


def test_contrastive_loss_leaves_near_windows_and_other_clips_out():
    same = unit((1.0, 0.0), (1.0, 0.0))
    near = losses.clip_info_nce(
        same[None], same[None], torch.tensor([[4, 5]]), torch.tensor(0.1), min_gap=2
    )
    assert near == 0.0  # the only other window lies one frame away
    clips = torch.stack([same, same])  # another clip with the same embeddings is not a negative
    starts = torch.tensor([[4, 5], [4, 5]])
    assert losses.clip_info_nce(clips, clips, starts, torch.tensor(0.1), 2) == 0.0


def test_contrastive_loss_keeps_its_precision_under_autocast():
    torch.manual_seed(0)
    audio, face = (F.normalize(torch.rand(2, 12, 512), dim=-1) for _ in range(2))
    start = torch.arange(12).expand(2, 12) * 3
    exact = losses.clip_info_nce(audio, face, start, torch.tensor(0.02), 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert losses.clip_info_nce(audio, face, start, torch.tensor(0.02), 2) == exact


def test_cross_entropies_are_taken_outside_autocast(monkeypatch):
    """A GPU raises a RuntimeError for them; a CPU only loses precision."""
    real = F.binary_cross_entropy

    def refusing(*args, **options):
        assert not torch.is_autocast_enabled("cpu")
        return real(*args, **options)

    monkeypatch.setattr(F, "binary_cross_entropy", refusing)
    audio, face = (F.normalize(torch.rand(2, 12, 64), dim=-1).bfloat16() for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        losses.pairs_bce(audio, face, torch.arange(12).expand(2, 12), 5)
        losses.cosine_bce(audio[0], face[0], torch.ones(12))


def test_structure_keeps_its_precision_under_autocast():
    torch.manual_seed(0)
    real = F.interpolate(torch.rand(2, 3, 32, 32), 64)[:, None]
    fake = (real + 0.02 * torch.randn_like(real)).clamp(0, 1)
    exact = losses.structure(fake, real)
    with torch.autocast("cpu", torch.bfloat16):
        assert losses.structure(fake, real) == exact


def test_margin_contrastive_by_hand():
    distance = torch.tensor([0.3, 0.3, 1.5, 1.5])
    target = torch.tensor([1.0, 0.0, 1.0, 0.0])
    # 0.3^2, (1 - 0.3)^2, 1.5^2, and nothing for an off-sync pair beyond the margin
    expected = (0.09 + 0.49 + 2.25 + 0.0) / 4
    assert losses.margin_contrastive(distance, target).item() == pytest.approx(expected, abs=1e-6)
    wider = (0.09 + 1.7**2 + 2.25 + 0.25) / 4
    assert losses.margin_contrastive(distance, target, 2.0).item() == pytest.approx(wider, abs=1e-6)


def test_adversarial_losses_at_chance_and_when_saturated():
    undecided = torch.zeros(4, 1)
    assert losses.discriminator_bce(undecided, undecided) == pytest.approx(math.log(2))
    assert losses.adversarial_bce(undecided) == pytest.approx(math.log(2))
    sure = torch.full((4, 1), 200.0)  # a plain sigmoid would give 100 or NaN here
    assert losses.discriminator_bce(sure, -sure) == 0
    assert losses.adversarial_bce(-sure) == 200


def test_structure_sees_blur_where_l1_hardly_does():
    torch.manual_seed(0)
    real = F.interpolate(torch.rand(2, 3, 32, 32), 64)[:, None]  # (B, T, 3, H, W)
    blurred = F.avg_pool2d(real[:, 0], 5, 1, 2)[:, None].requires_grad_()
    assert losses.structure(real, real).item() == pytest.approx(0, abs=1e-5)
    brighter = (real * 0.9 + 0.05).clamp(0, 1)
    assert losses.structure(blurred, real) > 5 * losses.structure(brighter, real)
    losses.structure(blurred, real).backward()
    assert blurred.grad.abs().sum() > 0


def test_structure_is_ms_ssim_of_three_scales():
    """With SciPy's filters, on windows inside the images (Wang et al. 2003)."""
    rng = np.random.default_rng(0)
    real = gaussian_filter(rng.random((2, 3, 96, 64)), (0, 0, 2, 2))
    fake = np.clip(real + 0.05 * rng.standard_normal(real.shape), 0, 1)
    weights = np.array([0.0448, 0.2856, 0.3001])

    def seen(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, (0, 0, 1.5, 1.5), truncate=3.5)[..., 5:-5, 5:-5]

    found, a, b = np.ones(2), fake, real
    for scale, weight in enumerate(weights / weights.sum()):
        if scale:
            a, b = (x.reshape(2, 3, x.shape[2] // 2, 2, -1, 2).mean(axis=(3, 5)) for x in (a, b))
        means, squares = seen(a) * seen(b), seen(a) ** 2 + seen(b) ** 2
        spread = seen(a * a) + seen(b * b) - squares
        alike = (2 * (seen(a * b) - means) + 9e-4) / (spread + 9e-4)
        if scale == 2:
            alike = alike * (2 * means + 1e-4) / (squares + 1e-4)
        found *= alike.mean(axis=(1, 2, 3)) ** weight

    pictures = (torch.from_numpy(x)[:, None].float() for x in (fake, real))
    assert losses.structure(*pictures).item() == pytest.approx(1 - found.mean(), abs=1e-5)


def test_a_chequered_pattern_is_no_texture():
    torch.manual_seed(0)
    real = F.interpolate(torch.rand(2, 3, 48, 48), 96)[:, None]
    blurred = F.avg_pool2d(real[:, 0], 5, 1, 2)[:, None]
    chequered = blurred.clone()
    chequered[..., ::2, ::2] += 0.1
    chequered[..., 1::2, 1::2] += 0.1
    assert losses.texture(chequered, real) > 0.99 * losses.texture(blurred, real)


def test_dots_in_a_grid_are_no_texture():
    torch.manual_seed(0)
    smooth = F.interpolate(torch.rand(2, 3, 6, 6), 96, mode="bilinear")[:, None]
    places = torch.randint(16, (24, 24))  # one of 16 in each cell of 4 x 4
    strewn = F.pixel_shuffle(F.one_hot(places, 16).permute(2, 0, 1).float(), 4)
    grid = torch.zeros_like(strewn)
    grid[..., ::4, ::4] = 1
    real = smooth + 0.2 * strewn
    moved, in_grid = smooth + 0.2 * strewn.roll(1, dims=-1), smooth + 0.2 * grid
    nothing = losses.texture(smooth, real)
    assert losses.texture(moved, real) < 0.4 * nothing
    assert losses.texture(in_grid, real) > 0.6 * nothing


def test_texture_asks_how_fine_the_detail_is_and_not_where_it_lies():
    torch.manual_seed(0)
    real = F.interpolate(torch.rand(2, 3, 48, 48), 96)[:, None]  # (B, T, 3, H, W)
    blurred = F.avg_pool2d(real[:, 0], 5, 1, 2)[:, None].requires_grad_()
    moved = real.roll(2, dims=-1)
    assert losses.texture(real, real).item() == 0
    assert losses.reconstruction(blurred, real) < losses.reconstruction(moved, real)
    assert losses.texture(blurred, real) > 1.5 * losses.texture(moved, real)
    losses.texture(blurred, real).backward()
    assert blurred.grad[..., :40, :].abs().sum() == 0  # rows that are not painted
    assert blurred.grad[..., 48:, :].abs().sum() > 0
