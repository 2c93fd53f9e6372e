"""Base class of audio features: extraction, window arithmetic, and the record in model configs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import as_strided
from torch import nn

from lipsync.audio import SAMPLE_RATE
from lipsync.errors import ConfigError
from lipsync.features.augment import Augmentation
from lipsync.plugins import NAME_IT, register
from lipsync.windows import FPS, cut_columns


class Feature(ABC):
    """How sound is converted to columns, and which window of columns belongs to a video frame.

    Importing a subclass registers it by its ``name``. A network stores the :attr:`record` of its
    feature in its config, and every stage that feeds the network rebuilds the feature from it
    (:func:`feature_of`).

    Args:
        window: columns of a window; None takes the default of the class.
        lead: frames (of 1/25 s) by which a frame's window starts before it; None takes the default
            of the class.

    Attributes:
        name: name under which it is stored and recorded.
        rate: columns per second; a column starts every ``SAMPLE_RATE / rate`` samples.
        bands: values per column.
        silence: padding value of columns beyond the ends of the audio.
        reach: samples from the start of a column's hop to the last sample it depends on.
        context: columns by which a piece of audio must start earlier to give the same columns as
            the whole.
        chunk: number of columns computed together; pieces of audio start at multiples of it.
        repeats_end: whether the last window is repeated where a window would extend beyond the
            audio.
        augmentation: augmentation of its windows in training.
    """

    name: ClassVar[str]
    rate: ClassVar[int]
    bands: int
    silence: ClassVar[float] = 0.0
    reach: ClassVar[int]
    context: ClassVar[int]
    chunk: ClassVar[int] = 1
    repeats_end: ClassVar[bool] = False
    default_window: ClassVar[int]
    default_lead: ClassVar[int] = 0
    augmentation: ClassVar[type[Augmentation]]
    kinds: ClassVar[dict[str, type[Feature]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if hasattr(cls, "name"):
            register(Feature.kinds, cls.name, cls)

    def __init__(self, window: int | None = None, lead: int | None = None) -> None:
        facts = ("name", "rate", "bands", "reach", "context", "default_window", "augmentation")
        if missing := [fact for fact in facts if not hasattr(self, fact)]:
            raise ConfigError(f"feature {type(self).__name__} lacks {', '.join(missing)}")
        if SAMPLE_RATE % self.rate:
            raise ConfigError(f"feature {self.name}: rate={self.rate} must divide {SAMPLE_RATE}")
        self.window = self.default_window if window is None else window
        self.lead = self.default_lead if lead is None else lead
        if not isinstance(self.window, int) or self.window < 1:
            raise ConfigError(f"feature {self.name}: window={window} must be 1 column or more")
        if not isinstance(self.lead, int):
            raise ConfigError(f"feature {self.name}: lead={lead} must be a whole number of frames")

    @property
    def record(self) -> dict[str, Any]:
        """Plain values that describe the feature, from which :func:`get_feature` rebuilds it."""
        return {
            "name": self.name,
            "rate": self.rate,
            "bands": self.bands,
            "window": self.window,
            "lead": self.lead,
            "silence": self.silence,
            **self.options(),
        }

    def options(self) -> dict[str, Any]:
        """Further constructor arguments on which the columns depend."""
        return {}

    def check_installed(self) -> None:  # noqa: B027 most need nothing
        """Raise ConfigError if a package or file that it needs is missing, without loading it."""

    @property
    def file(self) -> str:
        """Name of the file in which a prepared clip stores it."""
        name = "-".join([self.name, *map(str, self.options().values())])
        return re.sub(r"[^\w.-]", "_", name) + ".npy"

    @property
    def config_text(self) -> str:
        """The feature as written in YAML, for messages: its name, or a mapping."""
        options = self.options()
        if options == type(self)().options():
            return self.name
        return f"{{name: {self.name}, {', '.join(f'{k}: {v}' for k, v in options.items())}}}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Feature) and self.record == other.record

    def __hash__(self) -> int:
        return hash(str(self.record))

    def __repr__(self) -> str:
        return f"{self.name} ({self.bands} bands, {self.window} columns, lead {self.lead})"

    @property
    def hop(self) -> int:
        """Samples from one column to the next."""
        return SAMPLE_RATE // self.rate

    @abstractmethod
    def extract(self, wave: np.ndarray) -> np.ndarray:
        """Mono float32 (samples,) at 16 kHz in [-1, 1] -> float32 (bands, columns)."""

    def columns(self, samples: int) -> int:
        """Number of columns for a number of samples."""
        # Each whole hop adds one column; how the end is handled is measured on a short piece.
        short = samples % self.hop + self.rate // 2 * self.hop
        found = self.extract(np.zeros(short, np.float32)).shape[1]
        return max(0, found + (samples - short) // self.hop) if samples else 0

    def start(self, seconds: float, fps: float = FPS) -> int:
        """First column of the window of a frame that starts at ``seconds``; may be negative."""
        del fps
        return int(np.floor(self.rate * (seconds - self.lead / FPS) + 1e-9))

    def cut(
        self, values: np.ndarray, frames: Sequence[int] | np.ndarray, fps: float = FPS
    ) -> np.ndarray:
        """Windows of single frames, padded with ``silence`` beyond the ends of the audio.

        Args:
            values: (bands, columns), as returned by :meth:`extract`; may be memory-mapped.
            frames: (n,) indices of frames, 0 or more; at least one.
            fps: frame rate of the video that ``frames`` index.

        Returns:
            (n, 1, bands, window).
        """
        starts = np.array([self.start(int(frame) / fps, fps) for frame in frames])
        first, end = int(starts.min()), int(starts.max()) + self.window
        heard = cut_columns(values, first, end - first, self.silence)
        # all windows as a view, then a copy of the requested ones
        shape = (end - first - self.window + 1, len(heard), self.window)
        windows = as_strided(heard, shape, (heard.strides[1], *heard.strides), writeable=False)
        return windows[starts - first][:, None]

    def spanning(self, frames: int) -> Feature:
        """The same feature with windows that span ``frames`` frames at 25 fps, as for experts."""
        columns = int(np.floor(frames * self.rate / FPS + 1e-9))
        return type(self)(window=columns, lead=0, **self.options())

    def count(self, frames: int, columns: int, window: int) -> int:
        """Number of windows of ``window`` frames at 25 fps within the audio; may be 0.

        Windows start at frames 0, 1, ..., count - 1.
        """
        # The largest f with floor(rate * f / 25) + self.window <= columns.
        by_sound = int(np.ceil((columns - self.window + 1) * FPS / self.rate + self.lead - 1e-9))
        return max(0, min(frames - window + 1, by_sound))

    def look_ahead(self) -> float:
        """Look-ahead: seconds of audio after the start of a frame needed to generate it."""
        last = self.start(100.0) + self.window - 1 + self.chunk - 1  # worst case within a chunk
        return (last * self.hop + self.reach) / SAMPLE_RATE - 100.0


def get_feature(given: Feature | str | Mapping[str, Any]) -> Feature:
    """Build a feature from its name, or from the record in a network's config.

    Raises:
        ConfigError: an unknown feature, or a record that does not fit the feature of that name.
    """
    if isinstance(given, Feature):
        return given
    record = {"name": given} if isinstance(given, str) else dict(given)
    name = record.pop("name", None)
    if name not in Feature.kinds:
        known = ", ".join(sorted(Feature.kinds))
        raise ConfigError(f"feature {name}: must be one of {known}; for any other, {NAME_IT}")
    facts = {fact: record.pop(fact) for fact in ("rate", "bands", "silence") if fact in record}
    try:
        feature = Feature.kinds[name](**record)
    except TypeError as error:
        raise ConfigError(f"feature {name}: {error}") from None
    for fact, expected in facts.items():
        if (found := getattr(feature, fact)) != expected:
            raise ConfigError(
                f"feature {name} has {fact} {found}, but the network was trained with {expected}"
            )
    return feature


def feature_of(network: nn.Module) -> Feature:
    """Audio feature of a network, from its config.

    Raises:
        ConfigError: the config has no feature, or an unknown one.
    """
    if (record := getattr(network, "config", {}).get("feature")) is None:
        raise ConfigError(f"the config of {type(network).__name__} contains no feature")
    return get_feature(record)
