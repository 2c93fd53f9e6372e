"""Inference with a generator on batches of faces and audio windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lipsync.devices import to_device
from lipsync.errors import ConfigError
from lipsync.faces.framing import get_framing
from lipsync.features import feature_of
from lipsync.generators.gallery import Gallery, load_gallery
from lipsync.generators.quantised import MOST_WORKERS, fastest_copy
from lipsync.models import LipGAN, Wav2Lip
from lipsync.models.generator import FaceGenerator
from lipsync.models.inference import InferenceGenerator

_CPU_BATCH, _CUDA_BATCH = 12, 128  # frames of 96 x 96 pixels
_FRAME_BYTES = 24 * 2**20  # device memory for a frame of 96 x 96 at the published width


ReferenceSets = list[tuple[float, list[np.ndarray]]]
"""References of a face: sets of R crops, uint8 (S, S, 3), each with its blend weight."""


class Lips:
    """A generator with its feature, framing and number of references.

    Args:
        model: called with audio (B, *audio_shape) and faces (B, 3 + 3 R, S, S), the masked target
            and R references in the order given by ``reference_first`` (default: target first);
            returns (B, 3, S, S) in [0, 1]. ``config["image_size"]`` is S, ``config["references"]``
            is R (default 1), ``config["feature"]`` is the record of its audio feature, and
            ``config["framing"]`` its face framing (default "box").

    Raises:
        ConfigError: an unknown feature or framing.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model: Any = model.eval()
        config: dict[str, Any] = getattr(model, "config", {})
        self.size = int(config["image_size"])
        self.feature = feature_of(model)
        self.framing = get_framing(config.get("framing", "box"))
        self.references = int(config.get("references", 1))
        self.reference_first = bool(getattr(model, "reference_first", False))
        self.numbers: int | None = config.get("numbers")
        """Size of the lips code; None for a generator without one."""
        self.gallery: Gallery | None = getattr(model, "gallery", None)
        """Generators adapted to people, if any, used in place of this one."""
        parameter = next(model.parameters(), None)
        self.device = parameter.device if parameter is not None else torch.device("cpu")

    def batch_size(self) -> int:
        """Batch size in frames: small on a CPU; on a GPU, what fits in half the free memory."""
        share = (96 / self.size) ** 2
        if self.device.type != "cuda":
            return max(1, int(_CPU_BATCH * share))
        free, _ = torch.cuda.mem_get_info(self.device)
        return max(1, min(int(_CUDA_BATCH * share), int(free / 2 / _FRAME_BYTES * share)))

    def workers(self) -> int:
        """Number of batches to generate in parallel, each in one thread.

        A network split over threads waits for the slowest thread at every layer, and the other
        stages of the pipeline always delay one of them; separate batches avoid this. Returns 1 for
        models that are not :func:`optimised <lipsync.models.inference.optimise>`, as they may keep
        state.
        """
        if self.device.type != "cpu" or not isinstance(self.model, InferenceGenerator):
            return 1
        return max(1, min(MOST_WORKERS, torch.get_num_threads()))

    @torch.inference_mode()
    def generate(
        self,
        sounds: list[np.ndarray],
        crops: list[np.ndarray],
        references: list[ReferenceSets],
        people: list[str | None] | None = None,
    ) -> np.ndarray:
        """Generate talking faces.

        Args:
            sounds: n audio windows (bands, columns), as cut by ``feature``, or lips codes
                (numbers,).
            crops: n uint8 (S, S, 3) RGB, the original faces.
            references: references of each face, with weights that sum to 1.
            people: person in :attr:`gallery` for each face; None for the base generator.

        Returns:
            float32 (n, S, S, 3) RGB in [0, 1].
        """
        # one row per face and set of references
        rows = [
            (k, share, [crop, *others])
            for k, (crop, sets) in enumerate(zip(crops, references, strict=True))
            for share, others in sets
        ]
        places, shares, pictures = zip(*rows, strict=True)
        sound = torch.from_numpy(np.stack(sounds)[list(places)]).to(self.device)
        pixels = torch.from_numpy(np.array(pictures)).to(self.device)  # (n, 1 + R, S, S, 3)
        pixels = pixels.permute(0, 1, 4, 2, 3).float() / 255
        target, others = self.framing.hide(pixels[:, 0]), pixels[:, 1:].flatten(1, 2)
        faces = (others, target) if self.reference_first else (target, others)
        inputs = torch.cat(faces, dim=1)
        output = self._run(sound, inputs, [people[k] for k in places] if people else [None])
        result = output.permute(0, 2, 3, 1).float().cpu().contiguous().numpy()
        if len(rows) == len(crops):
            return result
        mixed = np.zeros((len(crops), *result.shape[1:]), np.float32)
        for place, share, picture in zip(places, shares, result, strict=True):
            mixed[place] += share * picture
        return mixed

    def _run(self, sound: Tensor, inputs: Tensor, people: Sequence[str | None]) -> Tensor:
        """Run each row through its person's generator."""
        if len(set(people)) > 1:
            rows = {one: [k for k, name in enumerate(people) if name == one] for one in people}
            parts = [self._run(sound[r], inputs[r], [one]) for one, r in rows.items()]
            return torch.cat(parts)[torch.tensor([k for r in rows.values() for k in r]).argsort()]
        model: Any = self.model
        if self.gallery is not None and people[0] is not None:
            model = self.gallery.generator(people[0])
        return model.edit(sound, inputs) if sound.ndim == 2 else model(sound[:, None], inputs)

    @torch.inference_mode()
    def codes_of_sound(self, windows: np.ndarray) -> np.ndarray:
        """Lips codes predicted from audio windows (n, bands, columns): float32 (n, numbers)."""
        sound = torch.from_numpy(windows[:, None]).to(self.device)
        return self.model.code_of_sound(sound).float().cpu().numpy()

    @torch.inference_mode()
    def codes_of_faces(self, crops: np.ndarray) -> np.ndarray:
        """Lips codes of the mouths in crops, uint8 (n, S, S, 3): float32 (n, numbers)."""
        faces = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float() / 255
        return self.model.code_of_faces(faces).float().cpu().numpy()


def is_published(model: nn.Module) -> bool:
    """Whether a generator has a published architecture, that is, a default config.

    Such networks get the frame itself as reference, as in their authors' code.
    """
    network = getattr(model, "network", model)  # unwrap an optimised one
    if type(network) not in (Wav2Lip, LipGAN):
        return False
    with torch.device("meta"):
        return network.config == type(network)().config


def load_generator(model: str | Path | nn.Module, device: str) -> tuple[nn.Module, str]:
    """Load a generator for inference; returns it and its name.

    Args:
        model: name or path of a generator, or a folder of adapted ones; a network is returned
            unchanged.
        device: device for a generator given by name or path.

    Raises:
        CheckpointError: it cannot be loaded.
        ConfigError: not a generator, or an unavailable device.
    """
    if isinstance(model, nn.Module):
        return model, getattr(model, "name", type(model).__name__)

    def load(path: str | Path) -> nn.Module:
        return fastest_copy(to_device(read_generator(path), device))

    if Path(model).is_dir():
        return load_gallery(Path(model), load), Path(model).name
    return load(model), Path(model).stem


def read_generator(model: str | Path) -> FaceGenerator:
    """Load a generator as it was trained, unoptimised; errors as for :func:`load_generator`."""
    from lipsync.checkpoints import load_model

    module = load_model(model)
    if not isinstance(module, FaceGenerator):
        raise ConfigError(
            f"model {model} is a {type(module).__name__}, which cannot dub; use a generator "
            "(Wav2Lip, LipGAN or a lips code)"
        )
    return module
