"""Score a clip of a benchmark: its baselines, and each system's dub against the real video."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from scipy.signal import correlate

from lipsync.audio import SAMPLE_RATE
from lipsync.errors import LipsyncError, MediaError
from lipsync.evaluation.benchmark.cache import ScoreCache
from lipsync.evaluation.benchmark.layout import BenchClip
from lipsync.evaluation.benchmark.measures import OLD_VIDEO, QUALITIES, RECOMPRESSED, SILENCED
from lipsync.evaluation.judge import StretchScore
from lipsync.evaluation.reading import Reading
from lipsync.evaluation.rows import REAL, SILENT, Row, problem_of
from lipsync.evaluation.truth import Source, likeness, reencode
from lipsync.evaluation.videos import Scoring, Stretch, scored_row
from lipsync.media import HeldFrames, probe
from lipsync.media.loudness import read_speech
from lipsync.windows import FPS

_SAME = 0.6  # minimum correlation of two recordings of the same sound
_SHIFT = SAMPLE_RATE // 5  # maximum lag between them, samples
_COMPARED = 60 * SAMPLE_RATE  # samples compared
_LENGTH = 0.25  # tolerance of a dub's length, seconds
_RATE = 0.01  # relative tolerance of its frame rate


@dataclass(frozen=True)
class ClipScorer:
    """Scores clips: holds what all clips of a benchmark share."""

    scoring: Scoring
    reading: Reading | None = None

    def score(self, clip: BenchClip, other: Path, cache: ScoreCache) -> list[Row]:
        """The rows of a clip: its baselines, its dubs, and its dubs with silence.

        Args:
            clip: what to score.
            other: a video with different speech, for dubs that have the real video's own sound.
            cache: earlier scores.
        """
        work = _Clip(self, clip, other)
        try:
            files = [clip.real, work.sound_file, *([other] if work.uses_own_sound else [])]
        except LipsyncError as error:
            return [
                Row(kind, clip.name, 0, problem=problem_of(error)) for kind in (REAL, *clip.dubs)
            ]
        kinds = [REAL, *RECOMPRESSED, OLD_VIDEO]
        texts_key = "" if self.reading is None else f" {clip.texts}"
        rows = cache.rows(f"baselines{texts_key}", files, clip.name, kinds, work.baselines)
        if why := rows[0].problem:
            why = f"its real video cannot be scored: {why}"
            return [rows[0], *(Row(system, clip.name, 0, problem=why) for system in clip.dubs)]
        for system, dub in clip.dubs.items():
            score = partial(work.dub, system)
            rows += cache.rows(f"dub{texts_key}", [dub, *files], clip.name, [system], score)
        for system, dub in clip.silent.items():
            score, kind = partial(work.silent, system), f"{system}{SILENCED}"
            rows += cache.rows("silent", [dub, clip.real], clip.name, [kind], score)
        return rows


class _Clip:
    """The parts of a clip that several rows need, read lazily."""

    def __init__(self, scorer: ClipScorer, clip: BenchClip, other: Path) -> None:
        self.scoring, self.reading = scorer.scoring, scorer.reading
        self.clip, self.other = clip, other

    @cached_property
    def own_wave(self) -> np.ndarray:
        return read_speech(self.clip.real)

    @cached_property
    def sound_file(self) -> Path:
        """The file of the new sound: the given one, or the first dub with a readable track."""
        files = [self.clip.sound] if self.clip.sound else list(self.clip.dubs.values())
        for path in files[:-1]:
            with suppress(LipsyncError):
                read_speech(path)
                return path
        return files[-1]

    @cached_property
    def new_wave(self) -> np.ndarray:
        return read_speech(self.sound_file)

    @cached_property
    def uses_own_sound(self) -> bool:
        """Whether the new sound is the real video's own, so the real frames are ground truth."""
        return same_sound(self.own_wave, self.new_wave)

    @cached_property
    def real(self) -> Stretch:
        return self.scoring.stretch(self.clip.real)

    @cached_property
    def source(self) -> Source:
        return Source(self.real, self.own_wave, self.scoring.recogniser)

    def baselines(self) -> list[Row]:
        worst = read_speech(self.other) if self.uses_own_sound else self.new_wave
        new, old = self.clip.texts
        found = self.scoring.measure(self.real, [self.own_wave, worst])
        mouth = self.source.leakage(self.real, self.own_wave)
        mouth.pop("motion_correlation", None)  # of the video with itself
        mouth |= self._word_errors(self.real, word_error=old) | self.source.identity(self.real)
        rows = [self._row(REAL, found.scores[0], found.pictures[0] | mouth)]
        with tempfile.TemporaryDirectory() as folder:
            for kind, quality in zip(RECOMPRESSED, QUALITIES, strict=True):
                rows.append(self._reencoded_row(kind, Path(folder) / f"{quality}.mp4", quality))
        left = self.source.leakage(self.real, worst) | {
            "old_speech_found": _in_sync(found.scores[0])
        }
        if not self.uses_own_sound:  # otherwise the worst sound is another clip's
            left |= self._word_errors(self.real, word_error=new, old_word_error=old)
        rows.append(self._row(OLD_VIDEO, found.scores[1], found.pictures[1] | left))
        return rows

    def _reencoded_row(self, kind: str, path: Path, quality: int) -> Row:
        """The real video re-encoded; the face track is unchanged."""
        reencode(self.real.footage, path, quality)
        reencoded = replace(self.real, footage=HeldFrames(path, FPS))
        found = self.scoring.measure(reencoded, [self.own_wave])
        more = self.source.leakage(reencoded, self.own_wave) | self.source.identity(reencoded)
        more |= self._word_errors(reencoded, word_error=self.clip.texts[1])
        if self.uses_own_sound:  # the dubs have it, too
            more |= likeness(reencoded, self.real)
        more = {k: v for k, v in more.items() if k not in ("motion_correlation", "mouth_corners")}
        return self._row(kind, found.scores[0], found.pictures[0] | more)

    def dub(self, system: str) -> list[Row]:
        path = self.clip.dubs[system]
        self._check(path)
        stretch = self.scoring.stretch(path)
        found = self.scoring.measure(stretch, [self.new_wave, self.own_wave])
        new, old = self.clip.texts
        more = self.source.leakage(stretch, self.new_wave) | self.source.identity(stretch)
        more |= self._word_errors(stretch, word_error=new)
        if self.uses_own_sound:
            more.pop("motion_correlation", None)  # the source's mouth motion is the correct one
            more |= likeness(stretch, self.real)
        else:
            more["old_speech_found"] = _in_sync(found.scores[1])
            more |= self._word_errors(stretch, old_word_error=old)
        return [self._row(system, found.scores[0], found.pictures[0] | more)]

    def silent(self, system: str) -> list[Row]:
        path = self.clip.silent[system]
        self._check_pictures(path)
        silent_leakage = self.source.leakage(
            Stretch(HeldFrames(path, FPS)), np.zeros_like(self.own_wave)
        )
        names = {"motion_share": "silent_share", "motion_correlation": "silent_correlation"}
        picture = {name: silent_leakage[of] for of, name in names.items() if of in silent_leakage}
        return [Row(SILENT, self.clip.name, 0, picture=picture)]

    def _check(self, path: Path) -> None:
        """Refuse a dub that does not match the real video, or does not have the new sound.

        Raises:
            MediaError: states the difference.
        """
        self._check_pictures(path)
        real, dub = probe(self.clip.real), probe(path)
        seconds, sound = real.video_seconds, len(self.new_wave) / SAMPLE_RATE
        if min(abs(dub.video_seconds - expected) for expected in (seconds, sound)) > _LENGTH:
            raise MediaError(
                path,
                f"lasts {dub.video_seconds:.2f} s, but the real video {seconds:.2f} s and the new "
                f"sound {sound:.2f} s",
            )
        if dub.has_audio and not same_sound(read_speech(path), self.new_wave):
            raise MediaError(
                path, f"has a different soundtrack than {'/'.join(self.sound_file.parts[-2:])}"
            )

    def _check_pictures(self, path: Path) -> None:
        real, dub = probe(self.clip.real), probe(path)
        if (dub.width, dub.height) != (real.width, real.height):
            raise MediaError(
                path,
                f"is {dub.width}x{dub.height}, but the real video is {real.width}x{real.height}",
            )
        if abs(dub.fps / real.fps - 1) > _RATE:
            raise MediaError(
                path,
                f"has {float(dub.fps):g} frames a second, but the real video {float(real.fps):g}",
            )

    def _word_errors(self, stretch: Stretch, **texts: str) -> dict[str, float]:
        """Measure -> word error for its text; empty without a reader or a text."""
        reading, known = self.reading, {k: text for k, text in texts.items() if text}
        if reading is None or not known:
            return {}
        errors = reading.error(
            stretch.faces_in_framing(reading.framing, reading.size), *known.values()
        )
        return dict(zip(known, errors, strict=False))

    def _row(self, kind: str, scored: StretchScore, picture: dict[str, float]) -> Row:
        error = round(abs(scored.result.fine_offset), 2)
        more = {"new_speech_found": _in_sync(scored), "offset_error": error}
        return scored_row(kind, self.clip.name, scored, more | picture)


def same_sound(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two recordings (samples,) at 16 kHz are of the same sound, up to 0.2 s apart."""
    return sound_similarity(one, other) >= _SAME


def sound_similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Largest correlation of two waves within 0.2 s of lag, in [0, 1]; first minute only."""
    count = min(len(one), len(other), _COMPARED)
    one, other = one[:count], other[:count]
    power = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    if power == 0:
        return float(not one.any() and not other.any())
    whole = correlate(one, other, mode="full", method="fft")
    return float(np.abs(whole[max(0, count - 1 - _SHIFT) : count + _SHIFT]).max()) / power


def _in_sync(scored: StretchScore) -> float:
    return float(abs(scored.result.offset) <= 1)
