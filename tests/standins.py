"""Networks with predictable output: a generator that displays its input, and an expert."""

import torch
from torch import nn

from lipsync.features import Mel
from lipsync.models import LongSyncNet


class Hearing(nn.Module):
    """A generator with a grey output as bright as its mel window: -4 is black, 4 white."""

    def __init__(self, lead: int = 0, fail_at: int | None = None, error=RuntimeError) -> None:
        super().__init__()
        self.config = {"image_size": 32, "feature": Mel(lead=lead).record}
        self.fail_at, self.error, self.seen, self.inputs = fail_at, error, 0, []

    def forward(self, mel: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        assert mel.shape[1:] == (1, 80, 16)
        assert faces.shape[1:] == (6, 32, 32)
        self.seen += len(mel)
        if self.fail_at is not None and self.seen > self.fail_at:
            raise self.error("the generator fails")
        self.inputs.append((mel.clone(), faces.clone()))
        level = (mel.mean(dim=(1, 2, 3)) + 4) / 8
        return level[:, None, None, None].expand(-1, 3, 32, 32)


class BrightAndLoud(nn.Module):
    """An expert that matches brightness of faces with loudness."""

    moment = 5
    join = LongSyncNet.join

    def __init__(self) -> None:
        super().__init__()
        record = Mel().spanning(25).record
        self.config = {"image_size": 16, "window": 25, "feature": record, "framing": "box"}

    def see(self, faces: torch.Tensor) -> torch.Tensor:
        return faces

    def face_moments(self, faces: torch.Tensor) -> torch.Tensor:
        assert faces.shape[1:] == (5, 3, 16, 16)
        return faces.mean(dim=(2, 3, 4))

    def audio_moments(self, mel: torch.Tensor) -> torch.Tensor:
        assert mel.shape[1:] == (1, 80, 16)
        loud = 10 ** (mel[:, 0].mean(dim=1) * 100 / 8 / 20)
        return torch.stack([part.mean(dim=1) for part in loud.tensor_split(5, dim=1)], dim=1)
