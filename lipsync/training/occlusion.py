"""Training of an occlusion network on faces with synthetic occluders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanMetric
from torchmetrics.classification import BinaryJaccardIndex

from lipsync.data.inputs import Inputs
from lipsync.models import OcclusionNet
from lipsync.models.base import check_network
from lipsync.models.occlusion import SIDE
from lipsync.seeds import seed_of
from lipsync.training.base import Training, compute_and_reset
from lipsync.training.batches import framing_of, to_float
from lipsync.training.occluders import draw_beard, draw_open_mouth, occluder, recompress, relight
from lipsync.training.weights import architecture, start_from


class OcclusionTraining(Training):
    """Train a network to segment occluded pixels of a face.

    Args:
        network: an :class:`lipsync.models.OcclusionNet`.
        loss: weight of ``hidden``, the per-pixel binary cross-entropy.
        covered: fraction of faces with an occluder.
        also: fraction of these whose reference has the same occluder, slightly shifted; also the
            fraction of all references with another occluder.
        varied: probability of each variation that occludes nothing: a beard, an open mouth,
            relighting.
        init_from: initial weights, as for :func:`lipsync.checkpoints.load_model`; None trains from
            scratch.
        options: see :class:`Training`.

    Raises:
        ConfigError: not an occlusion network.
        CheckpointError: weights of another network, or of other sizes.
    """

    def __init__(
        self,
        network: OcclusionNet,
        *,
        loss: dict[str, float],
        covered: float = 0.6,
        also: float = 0.2,
        varied: float = 0.3,
        init_from: str | Path | None = None,
        **options: Any,
    ) -> None:
        check_network("model.network", network, OcclusionNet, ("image_size", "framing"))
        super().__init__(loss=loss, **options)
        self.network = network
        if init_from is not None:
            start_from(self.network, init_from, "network")
        self.covered, self.also, self.varied = covered, also, varied
        self.mouth = framing_of(network).mouth
        self.iou = BinaryJaccardIndex()
        self.false_share = MeanMetric()

    def inputs(self, evaluation: bool = False) -> Inputs:
        """Contents of a sample."""
        config = self.network.config
        return Inputs(image_size=config["image_size"], framing=config["framing"], references=1)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        rank = self.global_rank if self._trainer else 0
        pair = torch.cat([batch["faces"], batch["reference"]], dim=2).flatten(0, 1)
        pair = to_float(pair)
        if self.augment is not None:
            pair = self.augment.faces(pair, self.batches_done, self.augment_rng())
        seed = seed_of(self.seed, "occluders", self.batches_done, rank)
        faces, references, hidden = self.add_occluders(pair, np.random.default_rng(seed))
        value = F.binary_cross_entropy_with_logits(self.network(faces, references).float(), hidden)
        loss = self.loss_weights["hidden"] * value
        self.descend(self.optimizers(), loss, batch)
        self.step_schedules()
        self.log_training({"hidden": value, "loss": loss}, len(faces))

    def add_occluders(
        self, pair: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Add occluders to pairs of face and reference (B, 2, 3, S, S), and recompress them.

        Returns:
            Faces and references (B, 3, S, S) in [0, 1], and the occlusion masks (B, 1, 64, 64).
        """
        pictures = pair.movedim(2, -1).float().cpu().numpy().copy()
        others = np.roll(pictures[:, 0], len(pictures) // 2 or 1, axis=0)
        hidden = np.zeros(others.shape[:3], np.float32)
        for (face, reference), other, mask in zip(pictures, others, hidden, strict=True):
            if rng.random() < self.varied:
                hair, opacity = draw_beard(rng, self.mouth, len(face))
                _composite(face, hair, opacity)
                _composite(reference, hair, opacity)
            for picture in (face, reference):
                if rng.random() < self.varied:
                    picture[...] = draw_open_mouth(rng, picture, self.mouth)
            if rng.random() < self.covered:
                colour, mask[...] = occluder(rng, face, other)
                _composite(face, colour, mask)
                if rng.random() < self.also:
                    step = np.rint(rng.normal(0, 0.05, 2) * len(face)).astype(int).tolist()
                    _composite(reference, *(np.roll(each, step, (0, 1)) for each in (colour, mask)))
            if rng.random() < self.also:
                _composite(reference, *occluder(rng, reference, other))
            for picture in (face, reference):
                if rng.random() < self.varied:
                    picture[...] = relight(rng, picture)
                picture[...] = recompress(rng, picture)
        images = torch.from_numpy(pictures).movedim(-1, 2).to(self.device)
        masks = torch.from_numpy(hidden)[:, None].to(self.device)
        return images[:, 0], images[:, 1], F.interpolate(masks, (SIDE, SIDE), mode="area")

    def evaluate(self, batch: dict[str, Any]) -> None:
        pair = to_float(torch.cat([batch["faces"], batch["reference"]], dim=2).flatten(0, 1))
        seed = seed_of(0, "occluders", *batch["start"].flatten().tolist())
        faces, references, hidden = self.add_occluders(pair, np.random.default_rng(seed))
        mask = framing_of(self.network).mask
        unit = (np.arange(SIDE) + 0.5) / SIDE
        inside = torch.from_numpy(mask.weights(unit[None], unit[:, None]) > 0).to(self.device)
        found = self.network(faces, references)[:, 0, inside] > 0
        self.iou.update(found, hidden[:, 0, inside] > 0.5)
        self.false_share.update((self.network(pair[:, 0], pair[:, 1])[:, 0, inside] > 0).float())

    def finish(self, stage: str) -> dict[str, float]:
        iou, false_share = compute_and_reset(self.iou), compute_and_reset(self.false_share)
        return {f"{stage}/iou": iou, f"{stage}/false_share": false_share}

    def about(self) -> dict[str, Any]:
        return architecture(self.network, "network.")


def _composite(picture: np.ndarray, colour: np.ndarray, opacity: np.ndarray) -> None:
    """Composite a layer over an image (S, S, 3), in place."""
    picture += opacity[..., None] * (colour - picture)
