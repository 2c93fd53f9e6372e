"""Loss functions. A total loss is simply ``sum(weight[name] * term[name])``."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from lipsync.windows import lower_half

_SCALES = 0.0448, 0.2856, 0.3001  # weights of MS-SSIM's first three scales
_REACH = 5  # radius of MS-SSIM's windows, in pixels
_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2
_BLOCK = 8  # block size of texture, in pixels
_PERIOD, _CELLS = 4, 4  # period of grid artefacts in pixels, and number of periods averaged
_GRID = 3.0  # weight of grid artefacts relative to the amount of detail
_NO_DETAIL = 1e-5  # noise floor of squared differences
_NO_ACTIVITY = 1e-3  # floor of a layer's mean absolute activation


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """``sum(weights[name] * terms[name])`` over the non-zero weights.

    Raises:
        KeyError: a weighted term is missing.
    """
    total = [weight * terms[name] for name, weight in weights.items() if weight]
    return torch.stack(total).sum() if total else next(iter(terms.values())) * 0.0


def reconstruction(fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute error of images in [0, 1], any shape."""
    return F.l1_loss(fake, real)


def lower_reconstruction(fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute error over the lower halves of (..., H, W), which a generator fills in."""
    return F.l1_loss(lower_half(fake), lower_half(real))


def cosine_bce(audio: Tensor, face: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of cosine similarities, as published (Wav2Lip, section 3.2).

    Args:
        audio, face: (N, D) unit embeddings with cosines in [0, 1], as after a final ReLU.
        target: (N,) 1 for pairs in sync, 0 for others.
    """
    cosine = (audio * face).sum(dim=1).float()
    return _bce(cosine.clamp(0.0, 1.0), target).mean()


def _bce(probability: Tensor, target: Tensor) -> Tensor:
    """Elementwise cross-entropy of probabilities that passes NaN through.

    On NaN, PyTorch's own raises an error, or a fatal assertion on a GPU, before training could name
    the clips.
    """
    with torch.autocast(probability.device.type, enabled=False):  # unsupported under CUDA autocast
        given = probability.float().nan_to_num(0.5)
        each = F.binary_cross_entropy(given, target.float(), reduction="none")
    return each + 0.0 * probability


def pairs_bce(audio: Tensor, face: Tensor, start: Tensor, min_gap: int) -> Tensor:
    """The published expert loss over the windows of clips: half positives, half negatives.

    Every face window is compared with its own audio, and with the audio of all windows of its clip
    at least ``min_gap`` frames away; the mean over these replaces the published random draw.

    Args:
        audio, face: (C, K, D) unit embeddings of K windows of each of C clips, cosines in [0, 1].
        start: (C, K) first frames of the windows.
        min_gap: minimum distance of a negative, in frames.
    """
    cosines = _cosines(audio, face).clamp(0.0, 1.0)  # (C, K faces, K sounds)
    far = _distances(start) >= min_gap
    usable = far.any(dim=2)  # (C, K); applied as a mask, as indexing would synchronise the GPU
    own = cosines.diagonal(dim1=1, dim2=2)
    positive = _bce(own, torch.ones_like(own))
    each = _bce(cosines, torch.zeros_like(cosines))
    negative = (each * far).sum(dim=2) / far.sum(dim=2).clamp_min(1)
    return ((positive + negative) * usable).sum() / usable.sum() / 2


def clip_info_nce(
    audio: Tensor, face: Tensor, start: Tensor, temperature: Tensor, min_gap: int
) -> Tensor:
    """Symmetric InfoNCE over the windows of one clip (van den Oord et al. 2018).

    Classifies which of the clip's K audio windows matches a face window, and vice versa. Negatives
    never come from other clips, so neither voice nor appearance gives the answer away. Windows
    closer than ``min_gap`` frames to the positive are left out.

    Args:
        audio, face: (C, K, D) unit embeddings.
        start: (C, K) first frames of the windows.
        temperature: scalar by which cosines are divided.
        min_gap: minimum distance of a negative, in frames; 2 excludes immediate neighbours.
    """
    near = _distances(start) < min_gap
    same = torch.eye(start.shape[1], dtype=torch.bool, device=start.device)
    scores = _cosines(audio, face) / temperature
    scores = scores.masked_fill(near & ~same, float("-inf"))
    answer = torch.arange(start.shape[1], device=start.device).expand(start.shape)
    to_audio = F.cross_entropy(scores.flatten(0, 1), answer.flatten())
    to_face = F.cross_entropy(scores.transpose(1, 2).flatten(0, 1), answer.flatten())
    return (to_audio + to_face) / 2


def pairs_sigmoid(
    audio: Tensor, face: Tensor, start: Tensor, scale: Tensor, bias: Tensor, min_gap: int
) -> Tensor:
    """Pairwise sigmoid loss over the windows of one clip (SigLIP, Zhai et al. 2023).

    All clips share one scale and bias, so that a single threshold, ``-bias / scale``, also applies
    to unseen people. Positives and negatives have the same total weight.

    Args:
        audio, face: (C, K, D) unit embeddings.
        start: (C, K) first frames of the windows.
        scale, bias: scalars: a pair's logit is ``scale * cosine + bias``.
        min_gap: minimum distance of a negative, in frames.
    """
    logits = scale * _cosines(audio, face) + bias
    far = _distances(start) >= min_gap
    positive = F.softplus(-logits.diagonal(dim1=1, dim2=2)).mean()
    negative = (F.softplus(logits) * far).sum() / far.sum().clamp_min(1)
    return (positive + negative) / 2


def _cosines(audio: Tensor, face: Tensor) -> Tensor:
    """Cosines of unit embeddings, (C, K, D) each -> (C, K faces, K sounds)."""
    with torch.autocast(audio.device.type, enabled=False):  # half precision leaves three digits
        return face.float() @ audio.float().transpose(1, 2)


def _distances(start: Tensor) -> Tensor:
    """(C, K) first frames -> (C, K, K) distances in frames."""
    return (start[:, :, None] - start[:, None, :]).abs()


def discriminator_bce(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy of a discriminator's logits: real images 1, generated 0."""
    return (
        F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
        + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    ) / 2


def adversarial_bce(fake: Tensor) -> Tensor:
    """Adversarial loss of the generator, from the discriminator's logits on generated images."""
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def discriminator_square(real: Tensor, fake: Tensor) -> Tensor:
    """Least squares of a discriminator's outputs, real 1 and generated 0 (Mao et al. 2017)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def adversarial_square(fake: Tensor) -> Tensor:
    """Least-squares adversarial loss of the generator, for :func:`discriminator_square`."""
    return (fake - 1).square().mean()


def structure(fake: Tensor, real: Tensor) -> Tensor:
    """1 - MS-SSIM of images in [0, 1], (..., 3, H, W), H and W at least 64.

    Uses three scales instead of the published five, which need at least 176 pixels; the weights are
    the published ones, normalised to a sum of 1 (Wang, Simoncelli & Bovik 2003). Windows are
    applied as matrix products over rows and columns, which are faster on a CPU than a convolution.
    """
    with torch.autocast(fake.device.type, enabled=False):  # variances are differences of squares
        fake, real = fake.float().flatten(0, -4), real.float().flatten(0, -4)
        similarity = fake.new_ones(len(fake))
        for scale, weight in enumerate(_SCALES):
            if scale:
                fake, real = F.avg_pool2d(fake, 2), F.avg_pool2d(real, 2)
            rows, columns = (_windows(side, fake.device) for side in fake.shape[-2:])
            seen = (rows @ x @ columns.T for x in (fake, real, fake**2, real**2, fake * real))
            a, b, aa, bb, ab = seen
            spread = (aa - a**2).clamp_min(0) + (bb - b**2).clamp_min(0)
            alike = (2 * (ab - a * b) + _CONTRAST) / (spread + _CONTRAST)
            if scale == len(_SCALES) - 1:
                alike = alike * (2 * a * b + _LUMINANCE) / (a**2 + b**2 + _LUMINANCE)
            share = weight / sum(_SCALES)
            similarity = similarity * alike.mean(dim=(1, 2, 3)).clamp_min(1e-6) ** share
    return 1 - similarity.mean()


def _windows(side: int, device: torch.device) -> Tensor:
    """Matrix (side - 10, side) of 11-pixel Gaussian windows; each row sums to 1."""
    at = torch.arange(side, device=device, dtype=torch.float32)
    away = at - at[: side - 2 * _REACH, None] - _REACH
    windows = torch.exp(-(away**2) / (2 * 1.5**2)) * (away.abs() <= _REACH)
    return windows / windows.sum(dim=1, keepdim=True)


def texture(fake: Tensor, real: Tensor) -> Tensor:
    """Difference in the amount of fine detail per block, regardless of its position in the block.

    In blocks of 8 x 8 pixels with stride 4, the root mean square difference is taken between pixels
    two apart, horizontally and vertically; the loss is the mean absolute difference of these values
    between generated and true images. Where the position of a detail is uncertain, L1 rewards
    blurring it; this loss penalises blur, but not a detail elsewhere in its block. Differences
    between adjacent pixels would count checkerboard artefacts as detail. Computed on grey images,
    over the lower half and the 8 rows above.

    Networks that upsample in steps of two can fake detail by a grid of dots. This is penalised by a
    second term: the error in fine detail, averaged over positions 4 pixels apart, which only
    patterns of that period survive.

    Args:
        fake, real: (..., 3, H, W) in [0, 1], H and W at least 16.
    """
    fake, real = (
        faces[..., faces.shape[-2] // 2 - _BLOCK :, :].float().flatten(0, -4)
        for faces in (fake, real)
    )

    def energies(faces: Tensor) -> tuple[Tensor, ...]:
        grey = faces.mean(dim=1, keepdim=True)
        here, right = grey[..., 2:, :-2], grey[..., 2:, 2:]
        above = grey[..., :-2, :-2]
        return tuple(
            (F.avg_pool2d((other - here).square(), _BLOCK, _BLOCK // 2) + _NO_DETAIL).sqrt()
            for other in (right, above)
        )

    pairs = zip(energies(fake), energies(real), strict=True)
    amounts = torch.stack([F.l1_loss(one, other) for one, other in pairs]).sum()
    return amounts + _GRID * _periodic_error(fake - real).abs().mean()


def _periodic_error(error: Tensor) -> Tensor:
    """The part of the fine detail in (B, 3, H, W) that repeats every 4 pixels."""
    fine = error - F.avg_pool2d(error, _PERIOD + 1, 1, _PERIOD // 2, count_include_pad=False)
    cells = torch.full((3, 1, _CELLS, _CELLS), _CELLS**-2.0, device=fine.device)
    return F.conv2d(fine, cells, dilation=_PERIOD, groups=3)


def feature_difference(fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of activations, relative to the mean magnitude of the true ones.

    The normalisation makes layers and networks with different scales comparable.

    Args:
        fake, real: any shape, the same; no gradient flows through ``real``.
    """
    real = real.detach().float()
    return (fake.float() - real).abs().mean() / real.abs().mean().clamp_min(_NO_ACTIVITY)


def margin_contrastive(distance: Tensor, target: Tensor, margin: float = 1.0) -> Tensor:
    """Contrastive loss of pairs (Hadsell et al. 2006), used by LipGAN's discriminator.

    The mean of ``distance ** 2`` for positives and ``max(0, margin - distance) ** 2`` for
    negatives.

    Args:
        distance: (N,) distances between the two embeddings of each pair, 0 or more.
        target: (N,) 1 for pairs in sync, 0 for others.
        margin: distance beyond which a negative has no loss.
    """
    near, far = distance.square(), (margin - distance).clamp_min(0.0).square()
    return torch.where(target > 0.5, near, far).mean()
