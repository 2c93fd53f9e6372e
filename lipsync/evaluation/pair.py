"""One pair of a generator's evaluation: dubbed, and scored in every set."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lipsync.audio import SAMPLE_RATE
from lipsync.dubbing import dub
from lipsync.dubbing.references import AUTO, ITSELF
from lipsync.errors import MediaError
from lipsync.evaluation.folder import dubbed_path
from lipsync.evaluation.lists import Pair
from lipsync.evaluation.rows import (
    COPIED,
    COVERED,
    GENERATED,
    OLD,
    OTHERS,
    OWN,
    REAL,
    REENCODED,
    SETS,
    SILENT,
    SWAPPED,
    Row,
)
from lipsync.evaluation.truth import EQUAL, Source, earlier_mouth, likeness, reencode
from lipsync.evaluation.videos import Measurement, Scoring, Stretch, scored_row
from lipsync.media import write_audio
from lipsync.media.loudness import read_speech

_LEAST_SOUND = 0.5  # seconds; shorter speech of another pair is skipped
_BATCH = 32  # frames; fixed, because results can differ slightly with the batch size
Features = dict[str, list[np.ndarray]]


class CoveringGenerator(nn.Module):
    """Replaces a generator: paints its area in the mean colour of the rest of the face."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        config: dict[str, Any] = getattr(generator, "config", {})
        self.config = {name: value for name, value in config.items() if name != "numbers"}
        self.reference_first = bool(getattr(generator, "reference_first", False))

    def forward(self, sound: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        """Ignores ``sound``; faces (B, 3 + 3 R, S, S) -> (B, 3, S, S)."""
        target = faces[:, -3:] if self.reference_first else faces[:, :3]
        half = target.shape[-2] // 2
        seen = target[..., :half, :]
        return torch.cat([seen, seen.mean(dim=(2, 3), keepdim=True).expand_as(seen)], dim=2)


def sets_with_pair(pairs: Sequence[Pair], number: int) -> list[str]:
    """The sets in which a pair has a row."""
    pair = pairs[number]
    none = {OWN, OLD, COVERED} if pair.own_sound else set()
    if all(other.audio == pair.audio for other in pairs):
        none.add(SWAPPED)
    return [kind for kind in SETS if kind not in none]


@dataclass(frozen=True)
class PairScorer:
    """Scores pairs: holds what all pairs of a run share; dubs are written to ``folder``."""

    generator: nn.Module
    references: str
    scoring: Scoring
    folder: Path
    pairs: Sequence[Pair]

    def score(self, number: int) -> tuple[list[Row], Features]:
        """The rows of a pair, and the judge's embeddings of its generated and real faces.

        Raises:
            LipsyncError: any part of it cannot be read, dubbed or scored.
        """
        pair = self.pairs[number]
        speech, own = (read_speech(path) for path in (pair.audio, pair.video))
        other = self._other_speech(number)
        real = self.scoring.stretch(pair.video)
        dubbed = self.scoring.stretch(self._dub(number, pair.audio))
        silent = self.scoring.stretch(self._dub_silence(number, len(own)))
        reencoded = self.scoring.stretch(
            reencode(real.footage, self._dub_path(number, "_re_encoded"))
        )
        source = Source(real, own, self.scoring.recogniser)

        features: Features = {GENERATED: [], REAL: []}

        def keep(kind: str) -> Callable[[torch.Tensor], None]:
            return lambda found: features[kind].append(found.numpy())

        measure = self.scoring.measure
        sounds = [speech, *([other] if other is not None else []), own]
        generated = measure(dubbed, sounds, keep(GENERATED))
        real_scores = measure(real, [own, speech], keep(REAL))

        def row(kind: str, found: Measurement, sound: int, like: dict[str, float]) -> Row:
            return scored_row(kind, pair.name, found.scores[sound], found.pictures[sound] | like)

        def scored(kind: str, video: Stretch, audio: np.ndarray, like: dict[str, float]) -> Row:
            found = measure(video, [own])
            more = source.leakage(video, audio) | source.identity(video)
            return row(kind, found, 0, like | more)

        close = likeness(dubbed, real)
        left = source.leakage(dubbed, speech) | source.identity(dubbed)
        rows = [row(GENERATED, generated, 0, (close if pair.own_sound else {}) | left)]
        if other is not None:
            rows.append(row(SWAPPED, generated, 1, {} if pair.own_sound else close))
        if not pair.own_sound:
            rows.append(row(OLD, generated, -1, {}))
        rows.append(scored(SILENT, silent, np.zeros_like(own), {}))
        if not pair.own_sound:
            covered = self._dub(
                number, pair.video, "_covered", model=CoveringGenerator(self.generator)
            )
            rows.append(scored(COVERED, self.scoring.stretch(covered), own, {}))
        how = AUTO if self.references == ITSELF else ITSELF
        changed = self.scoring.stretch(self._dub(number, pair.audio, "_other_references", how))
        beside = Source(replace(real, footage=dubbed.footage), speech).leakage(changed, speech)
        found = measure(changed, [speech])
        rows.append(row(OTHERS, found, 0, beside))
        rows.append(row(COPIED, real_scores, 1, earlier_mouth(real) | source.leakage(real, speech)))
        if not pair.own_sound:
            dubbed_own = self.scoring.stretch(self._dub(number, pair.video, "_own"))
            rows.append(scored(OWN, dubbed_own, own, likeness(dubbed_own, real)))
        rows.append(scored(REENCODED, reencoded, own, likeness(reencoded, real)))
        person = source.identity(real)
        rows.append(row(REAL, real_scores, 0, EQUAL | source.leakage(real, own) | person))
        return rows, features

    def _dub_path(self, number: int, ending: str = "") -> Path:
        return dubbed_path(self.folder, number, self.pairs[number], ending)

    def _dub(
        self,
        number: int,
        speech: Path,
        ending: str = "",
        references: str | None = None,
        model: nn.Module | None = None,
    ) -> Path:
        """Dub the face of a pair with a speech, unless the dub exists."""
        output = self._dub_path(number, ending)
        if not output.exists():
            face = self.pairs[number].video
            dub(
                face,
                speech,
                output,
                model=model or self.generator,
                reference_frames=references or self.references,
                detector=self.scoring.detector,
                batch_size=_BATCH,
            )
        return output

    def _dub_silence(self, number: int, samples: int) -> Path:
        """Dub the face of a pair with digital silence of this length."""
        output = self._dub_path(number, "_silent")
        if not output.exists():
            with tempfile.TemporaryDirectory() as folder:
                silence = Path(folder) / "silence.wav"
                write_audio(silence, np.zeros(samples, np.float32), SAMPLE_RATE)
                self._dub(number, silence, "_silent")
        return output

    def _other_speech(self, number: int) -> np.ndarray | None:
        """The next readable speech that differs from the pair's; ``None`` if there is none."""
        own_audio = self.pairs[number].audio
        for pair in (*self.pairs[number + 1 :], *self.pairs[:number]):
            if pair.audio == own_audio:
                continue
            try:
                wave = read_speech(pair.audio)
            except MediaError:
                continue
            if len(wave) >= _LEAST_SOUND * SAMPLE_RATE:
                return wave
        return None
