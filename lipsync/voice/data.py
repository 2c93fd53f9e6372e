"""Non-parallel speech of two speakers: crops for training, clips for evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from lipsync.data.draws import ClipDraws
from lipsync.data.store import SPLITS, PreparedFolder, clip_path, read_split
from lipsync.errors import ClipError, ConfigError, LipsyncError
from lipsync.media import read_audio
from lipsync.seeds import seed_of
from lipsync.voice.cepstrum import COEFFICIENTS, STEP, encode, is_speech
from lipsync.voice.envelope import spectral_envelope
from lipsync.voice.pitch import SAMPLE_RATE, track_pitch

SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".mp4")
_HELD_OUT = 0.1  # share of a speaker's clips for validation, and the same for the test
_MULTIPLE = 4  # rows; see lipsync.voice.network


@dataclass
class Features:
    """The features of a clip.

    Attributes:
        key: ``speaker/clip``.
        cepstra: float32 (rows, 32), every 10 ms.
        log_pitch: float32 (voiced frames,), log of the pitch in Hz.
    """

    key: str
    cepstra: np.ndarray
    log_pitch: np.ndarray


def clip_features(key: str, path: Path) -> Features:
    """Analyse the sound of a file.

    Raises:
        ClipError: it cannot be read, or nothing in it is voiced.
    """
    try:
        wave = read_audio(path, SAMPLE_RATE)
    except LipsyncError as error:
        raise ClipError(key, str(error)) from None
    pitch = track_pitch(wave) if len(wave) else np.zeros(1)
    if not (pitch > 0).any():
        raise ClipError(key, "contains no voiced sound", "take it out of the set")
    cepstra = encode(spectral_envelope(wave, pitch, every=STEP), COEFFICIENTS)
    return Features(key, cepstra, np.log(pitch[pitch > 0]).astype(np.float32))


def speaker_files(root: str | Path, speaker: str, split: str) -> list[tuple[str, Path]]:
    """The clips of a speaker as (key, sound file).

    From the split lists of a prepared set if every list has clips of the speaker; otherwise all
    ``<root>/<speaker>/<clip>/audio.wav`` and sound files in ``<root>/<speaker>`` are split: the
    last tenth for the test, the tenth before it for validation.

    Raises:
        ConfigError: no such speaker, or too few clips to split.
    """
    root = Path(root)
    by_split = {name: _read_list(root, name, speaker) for name in SPLITS}
    if all(by_split.values()):
        return by_split[split]
    folder = clip_path(root, speaker)
    clips = sorted(path.parent for path in folder.glob("*/audio.wav"))
    found = [(f"{speaker}/{path.name}", path / "audio.wav") for path in clips]
    if not found and folder.is_dir():
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        found = [(f"{speaker}/{path.stem}", path) for path in files]
    if not found:
        folders = sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
        names = ", ".join(name for name in folders if name != "filelists" and name[0] != ".")
        raise ConfigError(
            f"{root}: no sound of a speaker {speaker!r}; its folders: {names or 'none'}; choose "
            "two of them with voices=[A,B]"
        )
    if len(found) < 3:
        raise ConfigError(
            f"{root}: {len(found)} clips of {speaker}, at least 3 are needed (train, validation, "
            "test)"
        )
    held = max(1, round(_HELD_OUT * len(found)))
    parts = {"train": found[: -2 * held], "val": found[-2 * held : -held], "test": found[-held:]}
    return parts[split] or found[:1]


def _read_list(root: Path, split: str, speaker: str) -> list[tuple[str, Path]]:
    if not (root / "filelists" / f"{split}.txt").is_file():
        return []
    keys = read_split(root, split)
    return [
        (key, clip_path(root, key) / "audio.wav") for key in keys if key.startswith(f"{speaker}/")
    ]


class VoiceSet(Dataset):
    """The analysed clips of two speakers, kept in memory (8 MB for ten minutes of speech)."""

    def __init__(
        self, root: str | Path, split: str, speakers: tuple[str, str], minutes: float
    ) -> None:
        self.clips = [_analyse_clips(root, split, speaker, minutes) for speaker in speakers]

    def speech(self) -> list[np.ndarray]:
        """The rows of cepstra that are speech, (n, 32) for each speaker."""
        return [
            np.concatenate([clip.cepstra[is_speech(clip.cepstra)] for clip in clips])
            for clips in self.clips
        ]

    def statistics(self) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and standard deviation of speech rows, (2, 32) each, and of log pitch, (2, 2)."""
        rows = self.speech()
        pitch = [np.concatenate([clip.log_pitch for clip in clips]) for clips in self.clips]
        mean, std = (np.stack([f(x, axis=0) for x in rows]) for f in (np.mean, np.std))
        log_pitch = np.array([[x.mean(), max(x.std(), 0.01)] for x in pitch])
        return tuple(
            torch.from_numpy(x.astype(np.float32)) for x in (mean, np.maximum(std, 1e-3), log_pitch)
        )


class VoiceCrops(VoiceSet):
    """An infinite stream of pairs of crops, one per speaker, drawn independently.

    Args:
        reader: of a prepared set, or of a folder with one folder of sound files per speaker.
        split: name of a split.
        inputs: unused; part of the common interface of data sets.
        speakers: names of the two speakers.
        frames: rows per crop, at 100 per second; a multiple of 4.
        minutes: how much to use of each speaker, from evenly spaced clips.
        seed: random seed.

    Returns per draw:
        ``a`` and ``b`` float32 (32, frames) cepstra; ``start`` int64 (2,) first rows; ``key``.

    Raises:
        ConfigError: no such speaker.
        ClipError: a clip that is shorter than a crop, cannot be read, or is unvoiced.
    """

    def __init__(
        self,
        reader: PreparedFolder,
        split: str = "train",
        inputs: None = None,
        *,
        speakers: tuple[str, str],
        frames: int = 64,
        minutes: float = 10.0,
        seed: int = 0,
    ) -> None:
        del inputs
        if frames < _MULTIPLE or frames % _MULTIPLE:
            raise ConfigError(f"data.train.frames={frames}: must be a multiple of {_MULTIPLE}")
        super().__init__(reader.root, split, speakers, minutes)
        self.frames, self.seed = frames, seed
        for clip in (clip for clips in self.clips for clip in clips):
            if len(clip.cepstra) < frames:
                problem = (
                    f"{len(clip.cepstra) / 100:.2f} s of sound, but a crop needs {frames / 100} s"
                )
                raise ClipError(
                    clip.key, problem, "take it out of the set, or lower data.train.frames"
                )
        self.draws = [
            ClipDraws([""] * len(clips), seed_of(seed, "speaker", i))
            for i, clips in enumerate(self.clips)
        ]

    def __getitem__(self, draw: int) -> dict[str, Any]:
        rng = np.random.default_rng(seed_of(self.seed, "sample", draw))
        chosen = [clips[order(draw)] for clips, order in zip(self.clips, self.draws, strict=True)]
        starts = [int(rng.integers(len(clip.cepstra) - self.frames + 1)) for clip in chosen]
        a, b = (
            np.ascontiguousarray(clip.cepstra[start : start + self.frames].T)
            for clip, start in zip(chosen, starts, strict=True)
        )
        key = " and ".join(clip.key for clip in chosen)
        return {"a": a, "b": b, "start": np.array(starts), "key": key}


class VoiceClips(VoiceSet):
    """Pairs of whole clips, one per speaker; fields as in training, with varying lengths.

    Args:
        reader, split, inputs, speakers: as in :class:`VoiceCrops`.
        pairs: maximum number of pairs; clips of the speaker with fewer are repeated.
        most: another limit on the number of pairs; the smaller one counts.
    """

    def __init__(
        self,
        reader: PreparedFolder,
        split: str = "val",
        inputs: None = None,
        *,
        speakers: tuple[str, str],
        pairs: int = 12,
        most: int | None = None,
    ) -> None:
        del inputs
        pairs = min(pairs, most or pairs)
        super().__init__(reader.root, split, speakers, minutes=pairs / 15)
        self.pairs = min(pairs, max(map(len, self.clips)))

    def __len__(self) -> int:
        return self.pairs

    def __getitem__(self, index: int) -> dict[str, Any]:
        chosen = [clips[index % len(clips)] for clips in self.clips]
        a, b = (
            np.ascontiguousarray(clip.cepstra[: len(clip.cepstra) // _MULTIPLE * _MULTIPLE].T)
            for clip in chosen
        )
        key = " and ".join(clip.key for clip in chosen)
        return {"a": a, "b": b, "start": np.zeros(2, int), "key": key}


def _analyse_clips(root: str | Path, split: str, speaker: str, minutes: float) -> list[Features]:
    """``minutes`` of a speaker, from clips evenly spaced over the list."""
    files = speaker_files(root, speaker, split)
    spaced = sorted(range(len(files)), key=lambda i: (i * 0.6180339887) % 1.0)
    kept, seconds = {}, 0.0
    bar = tqdm(desc=f"{speaker}, {split}", total=len(files), unit="clip", disable=None, leave=False)
    with bar:
        for i in spaced:
            kept[i] = clip_features(*files[i])
            bar.update()
            seconds += len(kept[i].cepstra) / 100
            if seconds >= 60 * minutes:
                break
    return [kept[i] for i in sorted(kept)]
