"""Wav2Lip's visual quality discriminator (section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lipsync.models.base import Network
from lipsync.models.blocks import ConvBlock, check_config, check_shape, halvings, scaled

LEAK = 0.01  # PyTorch's default slope, as published


class QualityDiscriminator(Network):
    """Distinguish real from generated faces by their lower halves, frame by frame; no norm layers.

    The defaults are the published network (14.1 M parameters) with its parameter names.

    Args:
        image_size: side of the whole square faces; the network cuts out the lower halves.
        width: factor on all inner channels, which stay multiples of eight.
        centred: centre pixels around 0, and initialise weights so that the signal keeps its scale
            through fourteen layers without norms; False initialises as published, which learns far
            more slowly.

    Raises:
        ConfigError: sizes from which no network can be built.
    """

    use = "train on (model=wav2lip model.discriminator_init_from=FILE)"

    def __init__(self, image_size: int = 96, width: float = 1.0, centred: bool = True) -> None:
        super().__init__()
        check_config("QualityDiscriminator", image_size, width)
        self.config = {"image_size": image_size, "width": width, "centred": centred}

        def conv(
            c_in: int, c_out: int, kernel: int, stride: int | tuple[int, int] = 1
        ) -> ConvBlock:
            return ConvBlock(c_in, c_out, kernel, stride, kernel // 2, norm="none", slope=LEAK)

        c_out = scaled(32, width)
        stages = [[conv(3, c_out, 7)]]
        # (1, 2) makes the half square, 48x96 -> 48x48; then halvings, 5x5 kernels at first
        sides = halvings(image_size // 2)
        for stage in range(len(sides) + 1):
            c_in, c_out = c_out, scaled(min(64 * 2**stage, 512), width)
            kernel = 5 if stage < 3 else 3
            stride = 2 if stage else (1, 2)
            stages.append([conv(c_in, c_out, kernel, stride), conv(c_out, c_out, kernel)])
        valid = ConvBlock(c_out, c_out, sides[-1], norm="none", slope=LEAK)
        stages.append([valid, conv(c_out, c_out, 1)])
        self.face_encoder_blocks = nn.ModuleList(nn.Sequential(*stage) for stage in stages)
        self.binary_pred = nn.Sequential(nn.Conv2d(c_out, 1, 1))
        if centred:
            self._centre()

    def _centre(self) -> None:
        # Without norms, PyTorch's default weights shrink the signal to 0.4 of itself at each of
        # fourteen layers, and a new network gives one number for all faces.
        for module in self.face_encoder_blocks.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, LEAK)
                nn.init.zeros_(module.bias)
        # The first layer begins as one of pixels in [-1, 1]: else their mean drowns what differs.
        first = self.face_encoder_blocks[0][0].conv_block[0]
        with torch.no_grad():
            first.weight *= 2
            first.bias -= 0.5 * first.weight.sum(dim=(1, 2, 3))

    def forward(self, faces: Tensor) -> Tensor:
        """Probabilities in [0, 1], ``(N, 1)``, that whole faces are real; see :meth:`logits`."""
        return torch.sigmoid(self.logits(faces))

    def logits(self, faces: Tensor) -> Tensor:
        """Input of the sigmoid in :meth:`forward`, for losses that are more stable with logits.

        Args:
            faces: whole frames ``(N, 3, H, W)``, or ``(B, 3, T, H, W)`` as published; RGB in
                [0, 1].

        Returns:
            ``(N, 1)`` float32 also under autocast; N = T x B for the second form, time-major (all
            clips' frame 0 first).
        """
        if faces.ndim == 5:  # (B, 3, T, H, W) -> (T * B, 3, H, W)
            faces = faces.permute(2, 0, 1, 3, 4).flatten(0, 1)
        size = self.config["image_size"]
        check_shape("QualityDiscriminator", "faces", faces, (3, size, size))
        x = faces[:, :, size // 2 :]
        for block in self.face_encoder_blocks:
            x = block(x)
        x = self.binary_pred(x).flatten(1)
        return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
