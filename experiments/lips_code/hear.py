"""Which audio feature predicts the code best for unseen voices?

python -m experiments.lips_code.hear ROOT... [--feature mel|whisper] [--level] [--wild ROOT...]
    [--leave-out SPEAKER...]

Trains an audio encoder, with a loss on codes alone, on the ``train`` splits of the roots (prepared
for MODEL and with the feature). For every other split, and for ``--wild``, it prints Pearson's r
between the predicted and the true code, averaged over the code's dimensions and over clips.
``--level`` subtracts the mean spectrum of each clip's loud columns. For each speaker of
``--leave-out``, it trains another encoder without that speaker, and scores both encoders on the
speaker's clips in ``val`` and ``test``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from experiments.lips_code.obey import correlation
from lipsync.checkpoints import load_model
from lipsync.data.store import open_set
from lipsync.features import Feature, Mel, Whisper
from lipsync.features.augment import HiddenAugment, MelAugment
from lipsync.models.sound import code_encoder
from lipsync.training.batches import to_float

FRAMES, CLIPS, WARM_UP, RATE = 5, 32, 50, 1e-3
FEATURES: dict[str, tuple[Feature, object]] = {
    "mel": (
        Mel(window=40, lead=5),
        MelAugment(warp=0.12, ripple=4.0, pitch=0.5, noise=2.0, gain=10.0),
    ),
    "whisper": (Whisper(window=26, lead=5, seconds=4), HiddenAugment(noise=0.3, drop=0.3)),
}
LOUD = 2.0  # units of the mel, below a clip's loudest column


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", type=Path, nargs="+")
    parser.add_argument("--wild", type=Path, nargs="*", default=[])
    parser.add_argument("--model", default="lipscode-open")
    parser.add_argument("--feature", choices=FEATURES, default="mel")
    parser.add_argument("--level", action="store_true")
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="SPEAKER")
    options = parser.parse_args()
    feature, augment = FEATURES[options.feature]
    model = load_model(options.model)
    clips = [c for root in options.roots for c in read(root, model, feature, options.level)]
    clips += [
        c | {"split": "wild"} for r in options.wild for c in read(r, model, feature, options.level)
    ]
    known = [clip for clip in clips if clip["split"] == "train"]
    encoder = train(known, feature, augment, options.batches, options.seed)
    for split in sorted({clip["split"] for clip in clips} - {"train"}):
        tell(split, encoder, feature, [clip for clip in clips if clip["split"] == split])
    for speaker in options.leave_out:
        theirs = [c for c in clips if c["speaker"] == speaker and c["split"] in ("val", "test")]
        others = [clip for clip in known if clip["speaker"] != speaker]
        tell(f"{speaker}, known", encoder, feature, theirs)
        without = train(others, feature, augment, options.batches, options.seed)
        tell(f"{speaker}, left out", without, feature, theirs)


def tell(name: str, encoder: nn.Module, feature: Feature, clips: list[dict]) -> None:
    r, spread, error = np.mean([heard(encoder, feature, clip) for clip in clips], axis=0)
    print(
        f"{name:14} {len(clips):3} clips  r {r:.3f}  deviation {spread:.2f} relative to true  "
        f"error {error:.3f}",
        flush=True,
    )


@torch.inference_mode()
def read(root: Path, model: nn.Module, feature: Feature, level: bool) -> list[dict]:
    """Columns and true codes of every clip of a set."""
    reader, clips = open_set(root, model.config["image_size"]), []
    for split in reader.splits():
        for key in reader.keys(split):
            clip = reader.open(key)
            faces = to_float(torch.from_numpy(clip.read(np.arange(len(clip)))))
            codes = torch.cat([model.code_of_faces(part) for part in faces.split(64)])
            columns = np.array(clip.feature(feature))
            if level:
                loudness = columns.mean(axis=0)
                loud = columns[:, loudness > loudness.max() - LOUD]
                columns -= loud.mean(axis=1, keepdims=True)
            speaker = key.split("/")[0]
            clips.append({"split": split, "speaker": speaker, "codes": codes, "columns": columns})
    return clips


def cut(feature: Feature, clip: dict, frames: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(feature.cut(clip["columns"], frames)))


def train(
    clips: list[dict], feature: Feature, augment: object, batches: int, seed: int
) -> nn.Module:
    """Train a lips code's audio encoder with L1 on codes and on their differences over time."""
    torch.manual_seed(seed)
    rng, changes = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    columns = torch.from_numpy(np.concatenate([clip["columns"] for clip in clips], axis=1))
    scale = Scale(columns.mean(dim=1), columns.std(dim=1))
    encoder = nn.Sequential(scale, code_encoder(feature.record, 0.5, clips[0]["codes"].shape[1]))
    mean = AveragedModel(encoder, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
    optimizer = torch.optim.AdamW(encoder.parameters(), RATE, weight_decay=1e-2)
    counts = Counter(clip["speaker"] for clip in clips)
    shares = np.array([counts[clip["speaker"]] ** -0.6 for clip in clips])
    for batch in range(batches):
        warm = min(1.0, (batch + 1) / WARM_UP)
        rate = RATE * warm * (0.5 * (1 + np.cos(np.pi * batch / batches)) + 0.02)
        optimizer.param_groups[0]["lr"] = rate
        windows, codes = [], []
        for place in rng.choice(len(clips), CLIPS, p=shares / shares.sum()):
            clip = clips[place]
            start = int(rng.integers(max(1, len(clip["codes"]) - FRAMES)))
            windows.append(cut(feature, clip, np.arange(start, start + FRAMES)))
            codes.append(clip["codes"][start : start + FRAMES])
        sound, true = augment.draw(CLIPS, 1.0, changes)(torch.stack(windows)), torch.stack(codes)
        with torch.autocast("cpu", torch.bfloat16):
            told = encoder(sound.flatten(0, 1)).float().view_as(true)
        error = (told - true).abs().mean() + (told.diff(dim=1) - true.diff(dim=1)).abs().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        mean.update_parameters(encoder)
    return mean.module.eval()


class Scale(nn.Module):
    """Standardises each band."""

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean[:, None])
        self.register_buffer("deviation", deviation[:, None])

    def forward(self, windows: Tensor) -> Tensor:
        return (windows - self.mean) / self.deviation


@torch.inference_mode()
def heard(encoder: nn.Module, feature: Feature, clip: dict) -> tuple[float, float, float]:
    """Pearson's r with the true codes, ratio of standard deviations, and mean absolute error."""
    true = clip["codes"]
    parts = np.array_split(np.arange(len(true)), -(-len(true) // 100))
    told = torch.cat([encoder(cut(feature, clip, part)) for part in parts])
    spread = float(told.std(dim=0).mean() / true.std(dim=0).mean())
    return correlation(told, true), spread, float((told - true).abs().mean())


if __name__ == "__main__":
    main()
