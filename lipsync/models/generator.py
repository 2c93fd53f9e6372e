"""Base class of the face generators: a U-Net over faces, with audio joined at the bottleneck."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lipsync.models.base import Network
from lipsync.models.blocks import check_shape
from lipsync.models.sound import sound_shape


class FaceGenerator(Network):
    """Base of :class:`~lipsync.models.Wav2Lip` and :class:`~lipsync.models.LipGAN`.

    Subclasses set ``reference_first`` (whether the references precede the masked target in
    ``faces``) and ``config``: the constructor arguments, including ``image_size``, ``framing``, the
    record of their ``feature`` and, if more than one, the number of ``references``. They build
    ``audio_encoder``, ``face_encoder_blocks``, ``face_decoder_blocks`` and ``output_block``, or
    override :meth:`paint`.

    The first decoder stage takes the 1x1 audio embedding; the output of each stage is concatenated
    with the encoder features of the same resolution.
    """

    reference_first: ClassVar[bool] = False
    use = "dub (lipsync dub --model FILE), train on (model.init_from=FILE)"

    @property
    def audio_shape(self) -> tuple[int, int, int]:
        """Shape of one frame's audio window: (1, bands, columns)."""
        return sound_shape(self.config["feature"])

    @property
    def references(self) -> int:
        """Number of reference frames in the input, besides the masked target."""
        return self.config.get("references", 1)

    @property
    def faces_shape(self) -> tuple[int, int, int]:
        """Shape of one frame's image input: (3 + 3 * references, image_size, image_size)."""
        return 3 + 3 * self.references, self.config["image_size"], self.config["image_size"]

    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        """Generate talking faces.

        Args:
            mel: audio window of each frame, ``(B, *audio_shape)`` or ``(B, T, *audio_shape)``.
            faces: ``(B, *faces_shape)`` or ``(B, T, *faces_shape)``, RGB in [0, 1]: the target,
                with its lower half zeroed, and the references, in the order given by
                ``reference_first``.

        Returns:
            ``(B, 3, H, W)`` or ``(B, T, 3, H, W)``, RGB in [0, 1], float32 even under autocast.

        Raises:
            ValueError: wrong shapes, or ``mel`` and ``faces`` that differ in batch or time.
        """
        name = type(self).__name__
        if faces.ndim != 5:
            return self._generate(name, mel, faces)
        if mel.shape[:2] != faces.shape[:2]:
            raise ValueError(
                f"{name}: sound of shape {tuple(mel.shape)} and faces of shape {tuple(faces.shape)}"
                " differ in batch or time"
            )
        frames = self._generate(name, mel.flatten(0, 1), faces.flatten(0, 1))
        return frames.unflatten(0, faces.shape[:2])

    def _generate(self, name: str, mel: Tensor, faces: Tensor) -> Tensor:
        check_shape(name, "sound", mel, self.audio_shape)
        check_shape(name, "faces", faces, self.faces_shape)
        if not torch.jit.is_tracing() and mel.shape[0] != faces.shape[0]:
            raise ValueError(f"{name}: {mel.shape[0]} windows of sound for {faces.shape[0]} faces")
        return self.paint(mel, faces)

    def paint(self, mel: Tensor, faces: Tensor) -> Tensor:
        """:meth:`forward` for single frames, whose shapes have been checked."""
        return self._picture(self._last(self._decode(mel, faces)), faces)

    def _decode(self, mel: Tensor, faces: Tensor) -> Tensor:
        """Decoder output, concatenated with the encoder features at full resolution."""
        skips = []
        x = faces
        for block in self.face_encoder_blocks:
            x = block(x)
            skips.append(x)
        x = self.audio_encoder(mel)  # (B, C, 1, 1)
        for block in self.face_decoder_blocks:
            x = torch.cat([block(x), skips.pop()], dim=1)
        return x

    def _last(self, x: Tensor) -> Tensor:
        """Output of the last layer, before the sigmoid."""
        x = self.output_block(x)
        # half precision is too coarse near 1 for images: apply the sigmoid in float32
        return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x

    def _picture(self, x: Tensor, faces: Tensor) -> Tensor:
        """Image from the output of the last layer: (B, C, H, W) -> (B, 3, H, W) in [0, 1]."""
        del faces
        return torch.sigmoid(x)
