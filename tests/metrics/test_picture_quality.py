"""Image quality metrics against independent references."""

import numpy as np
import pytest
import torch

from lipsync.metrics import FrechetDistance, PictureQuality, quality
from lipsync.metrics.frechet import frechet_distance


def photos(n=2, side=96, seed=0):
    """Smooth images (n, 3, side, side) in [0, 1], and noisy copies."""
    torch.manual_seed(seed)
    small = torch.rand(n, 3, 8, 8)
    target = torch.nn.functional.interpolate(small, size=side, mode="bicubic").clamp(0, 1)
    return (target + 0.05 * torch.randn_like(target)).clamp(0, 1), target


def gaussian_filter(x: np.ndarray) -> np.ndarray:
    """11 taps, sigma 1.5, valid, on (H, W)."""
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    taps /= taps.sum()
    rows = np.apply_along_axis(lambda r: np.convolve(r, taps, "valid"), 1, x)
    return np.apply_along_axis(lambda c: np.convolve(c, taps, "valid"), 0, rows)


def reference_ssim(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Mean of SSIM, and of its contrast and structure part, of two planes (Wang et al. 2004)."""
    c1, c2 = 0.01**2, 0.03**2
    mx, my = gaussian_filter(x), gaussian_filter(y)
    vx, vy = gaussian_filter(x * x) - mx**2, gaussian_filter(y * y) - my**2
    both = gaussian_filter(x * y) - mx * my
    structure = (2 * both + c2) / (vx + vy + c2)
    return float(((2 * mx * my + c1) / (mx**2 + my**2 + c1) * structure).mean()), float(
        structure.mean()
    )


def test_ssim_is_that_of_the_paper():
    pred, target = photos()
    found = quality.ssim(pred, target)
    for k in range(2):
        planes = [
            reference_ssim(pred[k, c].double().numpy(), target[k, c].double().numpy())[0]
            for c in range(3)
        ]
        # The library pads and then crops the border, which the paper does not mention.
        assert float(found[k]) == pytest.approx(np.mean(planes), abs=0.03)
    assert float(quality.ssim(target, target).min()) == pytest.approx(1.0)


def test_ms_ssim_takes_the_scales_that_fit():
    sizes = {(96, 96): 3, (48, 96): 3, (224, 224): 5, (112, 224): 4, (11, 11): 2}
    assert {size: quality.ms_ssim_scales(*size) for size in sizes} == sizes
    pred, target = photos(3)
    found = quality.ms_ssim(pred, target)
    assert found.shape == (3,)
    assert float(quality.ms_ssim(target, target).min()) == pytest.approx(1.0)
    assert (quality.ssim(pred, target) < found).all()  # noise is gone at the coarser scales
    assert quality.ms_ssim(pred[..., 48:, :], target[..., 48:, :]).shape == (3,)
    with pytest.raises(ValueError, match="11 pixels to a side"):
        quality.ms_ssim(pred[..., :9, :], target[..., :9, :])


def test_shapes_are_checked():
    pred, target = photos()
    for function in (quality.ssim, quality.ms_ssim, quality.picture_psnr):
        with pytest.raises(ValueError, match="two stacks"):
            function(pred, target[:1])


def test_picture_quality_is_the_mean_over_pictures():
    pred, target = photos(5)
    whole, split = PictureQuality(), PictureQuality()
    whole.update(pred, target)
    for k in range(5):
        split.update(pred[k : k + 1], target[k : k + 1])
    a, b = whole.compute(), split.compute()
    assert int(a["pictures"]) == 5
    for name in PictureQuality.NAMES:
        assert float(a[name]) == pytest.approx(float(b[name]), rel=1e-6)
    mse = (pred - target).square().mean(dim=(1, 2, 3)).numpy()
    assert float(a["psnr"]) == pytest.approx(np.mean(-10 * np.log10(mse)), rel=1e-5)
    lower = (pred - target)[:, :, 48:].square().mean(dim=(1, 2, 3)).numpy()
    assert float(a["psnr_lower"]) == pytest.approx(np.mean(-10 * np.log10(lower)), rel=1e-5)
    equal = PictureQuality()
    equal.update(target, target)
    assert float(equal.compute()["psnr"]) == 100


def test_sharpness_falls_with_blur_and_rises_with_noise():
    pred, target = photos(1)
    levels = quality.luma((target[0].permute(1, 2, 0) * 255).byte().numpy())
    noisy = quality.luma((pred[0].permute(1, 2, 0) * 255).byte().numpy())
    blurred = gaussian_filter(levels)
    assert quality.sharpness(blurred) < quality.sharpness(levels) < quality.sharpness(noisy)
    assert quality.sharpness(np.add.outer(np.arange(9.0), np.arange(9.0))) == 0  # a ramp


def test_jitter_is_blind_to_steady_change():
    first = np.zeros((8, 8), np.float32)
    assert quality.jitter(first, first + 3, first + 6) == 0
    assert quality.jitter(first, first + 3, first) == 6


def test_a_seam_stands_out_of_its_rows():
    ramp = np.tile(np.arange(32.0)[:, None], (1, 32))
    assert quality.seam_strength(ramp) == pytest.approx(1.0)
    split = ramp + 9.0 * (np.arange(32) >= 16)[:, None]
    assert quality.seam_strength(split) == pytest.approx(10.0)
    assert np.isnan(quality.seam_strength(np.zeros((32, 32))))


def test_motion_in_silence():
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 20 * 640).astype(np.float32)
    wave[8 * 640 : 16 * 640] *= 0.01
    silent = quality.silent_frames(wave, 22)
    assert np.flatnonzero(silent).tolist() == [*range(8, 16), 20, 21]  # and after its end
    movement = np.where(np.arange(21) < 8, 9.0, 2.0)
    assert quality.silent_motion(movement, silent) == 2.0
    assert np.isnan(quality.silent_motion(movement, np.zeros(22, bool)))


def test_landmark_distance():
    true = np.zeros((3, 2, 2))
    made = true + np.array([3.0, 4.0])
    made[2] = np.nan
    assert quality.landmark_distance(made, true, np.full(3, 50.0)) == pytest.approx(0.1)
    assert np.isnan(quality.landmark_distance(made[2:], true[2:], np.ones(1)))
    with pytest.raises(ValueError, match="landmarks must be"):
        quality.landmark_distance(made, true[:2], np.ones(3))


def test_frechet_distance_of_known_gaussians():
    d = 4
    rng = np.random.default_rng(0)
    a, b = (torch.from_numpy(m @ m.T) for m in rng.standard_normal((2, d, d)))
    mean = torch.arange(d).double()
    # tr (AB)^(1/2) is the sum of the roots of the eigenvalues of AB.
    cross = np.sqrt(np.linalg.eigvals((a @ b).numpy()).real.clip(0)).sum()
    expected = float((mean**2).sum() + a.trace() + b.trace() - 2 * cross)
    assert frechet_distance(torch.zeros(d), a, mean, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(mean, a, mean, a) == pytest.approx(0, abs=1e-6)


def test_frechet_names_its_network_and_counts():
    features = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    metric = FrechetDistance(lambda pictures: pictures.mean(dim=(2, 3)), "mean colour", 3)
    for part in features.split(13):
        metric.update(part[:, :, None, None], real=True)
    metric.update(features[:40, :, None, None] + 1, real=False)
    found = metric.compute()
    assert (found["network"], found["generated"], found["real"]) == ("mean colour", 40, 60)
    mean = (features[:40] + 1).double().mean(0), features.double().mean(0)
    cov = torch.cov(features[:40].double().T), torch.cov(features.double().T)
    assert found["distance"] == pytest.approx(frechet_distance(mean[0], cov[0], mean[1], cov[1]))


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_frechet_refuses():
    metric = FrechetDistance(None, "net", 3)
    with pytest.raises(ValueError, match=r"net: features must be \(n, 3\)"):
        metric.update(torch.zeros(2, 4), real=True)
    with pytest.raises(ValueError, match="NaN"):
        metric.update(torch.full((2, 3), torch.nan), real=True)
    with pytest.raises(ValueError, match="0 generated features, two or more"):
        metric.compute()
    with pytest.raises(ValueError, match="PictureQuality: no picture was given"):
        PictureQuality().compute()
