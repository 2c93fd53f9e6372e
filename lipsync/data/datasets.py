"""Training and evaluation samples from prepared clips. Pixels stay uint8 until the device.

:class:`Windows` is endless: ``dataset[draw]`` is determined by the seed and the draw number, see
:mod:`lipsync.data.draws`. :class:`Clips` is finite and deterministic. The contents of a sample
follow from the :class:`Inputs` of the networks. A clip that is damaged or too short raises
:class:`~lipsync.errors.ClipError` with its name; nothing is skipped silently.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch.utils.data import Dataset

from lipsync.data.clips import Clip
from lipsync.data.draws import ClipDraws
from lipsync.data.inputs import TOO_SHORT, Inputs
from lipsync.data.pauses import pausing_windows
from lipsync.data.references import ReferenceDraws, spread_references
from lipsync.data.shards import DamagedShard
from lipsync.errors import ClipError, ConfigError, check_whole
from lipsync.seeds import seed_of
from lipsync.windows import FPS, draw_apart

log = logging.getLogger(__name__)

_TRIES = 10  # maximum number of clips to try if they are damaged
_INSTEAD = 1 << 40  # offset of the draw that replaces another; more than any run has draws


@runtime_checkable
class Reader(Protocol):
    """Source of clips; :class:`lipsync.data.store.PreparedFolder` is the one for prepared sets."""

    def keys(self, split: str) -> list[str]:
        """Keys of a split, ``speaker/clip``."""

    def open(self, key: str) -> Clip:
        """Open a clip by its key."""


class Split(Dataset):
    """The clips of one split. No files are kept open, so sets may have any size."""

    def __init__(self, reader: Reader, split: str, inputs: Inputs) -> None:
        self.reader, self.inputs = reader, inputs
        self.keys = reader.keys(split)
        if not self.keys:
            raise ConfigError(f"the list {split} names no clips")
        self.skipped = 0
        # fail here on an unsuitable set, not in a worker
        self.first_undamaged(self.keys[:_TRIES], self._check)

    def _check(self, key: str) -> None:
        first, inputs = self.clip(key), self.inputs
        if first.framing not in (None, inputs.framing):
            raise ConfigError(
                f"clip {first.key} is framed '{first.framing}', the networks expect "
                f"'{inputs.framing}'; set data.framing={first.framing}, or prepare the data again "
                f"with framing={inputs.framing}"
            )
        inputs.count(first)  # raises if a feature is missing

    def first_undamaged(self, numbers: Iterable[Any], sample: Callable[[Any], Any]) -> Any:
        """The first sample that can be read, replacing damaged clips of shards by the next number.

        Damage belongs to the set, so runs remain reproducible.
        """
        for number in numbers:
            try:
                return sample(number)
            except DamagedShard as error:
                damaged = error
                self.skipped += 1
                log.warning("%s; replaced by another clip (%d so far)", damaged, self.skipped)
        raise damaged

    def clip(self, key: str) -> Clip:
        """Open a clip."""
        clip, size = self.reader.open(key), self.inputs.image_size
        if clip.size != size:
            raise ConfigError(
                f"clip {key} is {clip.size} px, data.image_size is {size}; prepare the data again "
                f"with image_size={size}"
            )
        return clip


class Windows(Split):
    """Endless training samples: windows of one clip, with the inputs of all networks.

    The windows of a clip serve as each other's negatives, so any pairwise loss can be computed
    within one sample.

    Args:
        reader, split: source of the clips, and the split.
        inputs: contents of a sample.
        windows: windows per sample, K; a shorter clip repeats some.
        seed: random seed.
        balance: from 0 for equal shares of clips to 1 for equal shares of speakers.
        references: how reference frames are drawn; None is the default.
        silence: fraction of samples whose windows are drawn from pauses, if the clip has any, and
            whose ``sound`` is the feature's silence, so that generators learn to rest in silence;
            ``sound_<name>`` is not changed.

    Returns per draw:
        ``faces`` uint8 (K, T, rows, S, 3); ``start`` int64 (K,), ascending; ``key``; and as
        requested ``reference`` (K, R, rows, S, 3), shared by all frames of a window; ``sound`` and
        ``shifted_sound`` float32 (K, T, 1, bands, columns); ``sound_<name>`` float32 (K, 1, bands,
        columns).

    Raises:
        ConfigError: invalid numbers, or a set of another size or framing.
        ClipError: its first clip lacks a feature or is too short.
    """

    def __init__(
        self,
        reader: Reader,
        split: str,
        inputs: Inputs,
        *,
        windows: int = 1,
        seed: int = 0,
        balance: float = 1.0,
        references: ReferenceDraws | None = None,
        silence: float = 0.0,
    ) -> None:
        check_whole("data.train.windows", windows, 1)
        if not 0 <= silence <= 1:
            raise ConfigError(f"data.train.silence={silence}: must be 0 to 1")
        if silence and inputs.sound is None:
            raise ConfigError(
                f"data.train.silence={silence}: applies to generators only; set it to 0"
            )
        super().__init__(reader, split, inputs)
        self.windows, self.seed = windows, seed
        self.references, self.silence = references or ReferenceDraws(), silence
        self.draws = ClipDraws([key.split("/")[0] for key in self.keys], seed, balance)

    def __getitem__(self, draw: int) -> dict[str, Any]:
        return self.first_undamaged((draw + i * _INSTEAD for i in range(_TRIES)), self._sample)

    def _sample(self, draw: int) -> dict[str, Any]:
        inputs, rng = self.inputs, np.random.default_rng(seed_of(self.seed, "sample", draw))
        clip = self.clip(self.keys[self.draws(draw)])
        count = inputs.count(clip)
        pauses = np.arange(0)
        if self.silence and rng.random() < self.silence:
            pauses = pausing_windows(clip, count, inputs.window)
        allowed = pauses if len(pauses) else np.arange(count)
        starts = np.sort(rng.choice(allowed, self.windows, replace=len(allowed) < self.windows))
        sample = {"faces": inputs.face_windows(clip, starts), "start": starts, "key": clip.key}
        sample |= inputs.span_windows(clip, starts)
        if inputs.references:
            sample["reference"] = self.references(rng, clip, inputs, starts, sample["faces"])
        if inputs.sound is not None:
            sample["sound"] = inputs.sound_windows(clip, starts)
            if len(pauses):
                sample["sound"] = np.full_like(sample["sound"], inputs.sound.silence)
        if inputs.shifted:
            _check_length(clip, count, inputs.shifted)
            shifted = [draw_apart(rng, count, int(start), inputs.shifted) for start in starts]
            sample["shifted_sound"] = inputs.sound_windows(clip, shifted)
        return sample


class Clips(Split):
    """Evaluation samples: evenly spaced windows of each clip, or whole clips.

    Args:
        reader, split, inputs: as in :class:`Windows`.
        windows: windows per clip; None takes whole clips.
        most: maximum number of clips; a fixed random subset, the same in every run and process.
            None takes all.
        seconds: whole clips longer than this are split into parts of about equal length, to bound
            memory; each part counts as a clip. This opens all clips at the start to find their
            lengths, at about 0.1 ms each on a fast disk.

    Returns per clip:
        With ``windows``, the same as :class:`Windows`, with references evenly spread over the rest
        of the clip, shifted audio half a clip away, and ``swapped_sound`` from another clip.
        Without, ``faces`` uint8 (frames, rows, S, 3), ``sound_<name>`` (windows, 1, bands,
        columns), ``start`` and ``key``.

    Raises:
        ConfigError, ClipError: as for :class:`Windows`.
    """

    def __init__(
        self,
        reader: Reader,
        split: str,
        inputs: Inputs,
        *,
        windows: int | None = None,
        most: int | None = None,
        seconds: float = 20.0,
    ) -> None:
        if windows is not None:
            check_whole("data.evaluation.windows", windows, 1)
        if not seconds > 0:
            raise ConfigError(f"data.evaluation.seconds={seconds}: must be above 0")
        super().__init__(reader, split, inputs)
        self.windows, self.longest = windows, max(1, round(seconds * FPS))
        if most is not None and most < len(self.keys):
            log.info(
                "%s: evaluated on a fixed random subset, %d of %d clips",
                split,
                most,
                len(self.keys),
            )
            chosen = np.random.default_rng(len(self.keys)).permutation(len(self.keys))[:most]
            self.keys = [self.keys[i] for i in np.sort(chosen)]
        if windows is None:
            counts = [-(-len(self.clip(key)) // self.longest) for key in self.keys]
            self.parts = np.repeat(np.arange(len(counts)), counts)  # part -> clip
            self.firsts = np.cumsum([0, *counts])  # clip -> first part

    def __len__(self) -> int:
        return len(self.keys if self.windows is not None else self.parts)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        others = ((index + i) % len(self) for i in range(_TRIES))
        return self.first_undamaged(others, self._part if self.windows is None else self._windows)

    def _part(self, index: int) -> dict[str, Any]:
        place = self.parts[index]
        clip = self.clip(self.keys[place])
        first, end = self.firsts[place : place + 2]
        bounds = np.linspace(0, self.inputs.count(clip), end - first + 1).astype(int)
        starts = np.arange(*bounds[index - first : index - first + 2])
        frames = np.arange(starts[0], starts[-1] + self.inputs.window)
        sample = {"faces": self.inputs.read_faces(clip, frames), "start": starts, "key": clip.key}
        return sample | self.inputs.span_windows(clip, starts)

    def _windows(self, place: int) -> dict[str, Any]:
        clip, inputs = self.clip(self.keys[place]), self.inputs
        count = inputs.count(clip)
        starts = ((np.arange(self.windows) + 0.5) * count / self.windows).astype(int)
        shifted = (starts + count // 2) % count
        sample = {"faces": inputs.face_windows(clip, starts), "start": starts, "key": clip.key}
        sample |= inputs.span_windows(clip, starts)
        if inputs.references:
            sample["reference"] = spread_references(clip, inputs, starts)
        if inputs.sound is not None:
            sample["sound"] = inputs.sound_windows(clip, starts)
            other = self._other_clip(place)
            theirs = inputs.count(other)
            sample["swapped_sound"] = inputs.sound_windows(
                other, (starts % theirs + theirs // 2) % theirs
            )
        if inputs.shifted:
            _check_length(clip, count, inputs.shifted)
            sample["shifted_sound"] = inputs.sound_windows(clip, shifted)
        return sample

    def _other_clip(self, place: int) -> Clip:
        """A clip with other speech: half a list away.

        Neighbours in a list often share sentence or speaker, and sentences with a fixed grammar
        (GRID) have similar speech at the same time.
        """
        return self.clip(self.keys[(place + max(1, len(self.keys) // 2)) % len(self.keys)])


def _check_length(clip: Clip, count: int, gap: int) -> None:
    """Raise ClipError unless each of ``count`` windows has another at least ``gap`` frames away."""
    if count < 2 * gap:
        problem = f"{count} windows, negatives {gap} frames away need {2 * gap}"
        raise ClipError(clip.key, problem, TOO_SHORT)
