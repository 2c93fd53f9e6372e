"""Programme loudness by EBU R 128: measured by ffmpeg, normalised, with peaks limited.

The input of networks is levelled by its speech alone, in :mod:`lipsync.media.loudness`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.filter import Graph

from lipsync.media.channels import LAYOUTS

PEAK_DB = -1.0  # dBTP, maximum true peak (R 128: EBU Tech 3343)
_LIMIT_DB = -1.3  # dB, the limiter's ceiling: downsampling afterwards overshoots a little
_OVERSAMPLED = 4  # oversampling factor of the limiter
_SILENT = -69.0  # LUFS; ffmpeg reports -70 if the gate let nothing through
_CLOSE = 0.1  # LU, tolerance of the target
_TRIES = 3  # iterations to compensate for the limiter's effect

Blocks = Iterable[np.ndarray]
"""float32 (channels, n) in [-1, 1]; 1, 2 or 6 (5.1) channels."""


@dataclass(frozen=True)
class LoudnessChange:
    """Loudness normalisation of a sound.

    Attributes:
        before, after: integrated loudness in LUFS.
        gain_db: gain in dB.
        limited: whether peaks are limited to -1 dBTP.
    """

    before: float
    after: float
    gain_db: float
    limited: bool

    def apply(self, blocks: Blocks, rate: int) -> Iterator[np.ndarray]:
        """The normalised sound."""
        gain = np.float32(10 ** (self.gain_db / 20))
        louder = (block * gain for block in blocks)
        return _limit_peaks(louder, rate) if self.limited else louder

    def __str__(self) -> str:
        limited = ", peaks limited" * self.limited
        return f"{self.after:.1f} LUFS, was {self.before:.1f}{limited}"


def plan_loudness_change(
    read: Callable[[], Blocks], rate: int, target: float
) -> LoudnessChange | None:
    """How to normalise a sound to ``target`` LUFS; None for a silent one.

    Args:
        read: returns the sound from its start, on every call.
        rate: sample rate in Hz.
        target: integrated loudness, such as -23.
    """
    before, peak = measure_programme(read(), rate)
    if before <= _SILENT:
        return None
    gain = target - before
    if peak + gain <= PEAK_DB:
        return LoudnessChange(before, target, gain, False)
    for _ in range(_TRIES):
        found = LoudnessChange(before, target, gain, True)
        after, _ = measure_programme(found.apply(read(), rate), rate)
        found = LoudnessChange(before, after, gain, True)
        if abs(target - after) < _CLOSE:
            break
        gain += target - after
    return found


def measure_programme(blocks: Blocks, rate: int) -> tuple[float, float]:
    """Integrated loudness in LUFS (-70 for silence), and true peak in dBTP."""
    loud, peak = -70.0, 0.0
    for frame in _filter(blocks, rate, [("ebur128", "metadata=1:peak=true")]):
        tags = frame.metadata
        loud = float(tags.get("lavfi.r128.I", loud))
        peak = float(tags.get("lavfi.r128.true_peak", peak))
    return loud, 20 * float(np.log10(max(peak, 1e-6)))


def _limit_peaks(blocks: Blocks, rate: int) -> Iterator[np.ndarray]:
    most = 10 ** (_LIMIT_DB / 20)
    steps = [
        ("aresample", str(_OVERSAMPLED * rate)),
        ("alimiter", f"limit={most:.6f}:attack=5:release=50:level=0:latency=1"),
        ("aresample", str(rate)),
        ("aformat", "sample_fmts=fltp"),
    ]
    for frame in _filter(blocks, rate, steps):
        yield frame.to_ndarray()


def _filter(blocks: Blocks, rate: int, steps: list[tuple[str, str]]) -> Iterator[av.AudioFrame]:
    graph, sent = None, 0
    for block in blocks:
        layout = LAYOUTS[len(block)]
        if graph is None:
            graph = Graph()
            graph.threads = 1
            settings = {"sample_rate": rate, "format": "fltp", "layout": layout}
            source = graph.add_abuffer(**settings, time_base=Fraction(1, rate))
            chain = [graph.add(name, arguments) for name, arguments in steps]
            graph.link_nodes(source, *chain, graph.add("abuffersink")).configure()
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block, np.float32), format="fltp", layout=layout
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, sent, Fraction(1, rate)
        sent += block.shape[1]
        graph.push(frame)
        yield from _pull_frames(graph)
    if graph is not None:
        graph.push(None)
        yield from _pull_frames(graph)


def _pull_frames(graph: Graph) -> Iterator[av.AudioFrame]:
    with suppress(BlockingIOError, EOFError, av.error.EOFError):
        while True:
            yield graph.pull()
