"""Small clips for a page: the real video and its dubs side by side, with the new speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat
from pathlib import Path

import cv2
import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.evaluation.folder import dubbed_path
from lipsync.evaluation.lists import Pair
from lipsync.evaluation.rows import GENERATED
from lipsync.evaluation.table import Report
from lipsync.evaluation.text import tenths
from lipsync.media import HeldFrames, VideoWriter, read_audio
from lipsync.windows import FPS

HEIGHT = 176  # pixels
SECONDS = 6  # at most
_CRF = 30
_CLIPS = 3  # shown in a report


def write_side_by_side(
    videos: Sequence[Path],
    sound: Path,
    output: Path,
    *,
    height: int = HEIGHT,
    seconds: int = SECONDS,
    crf: int = _CRF,
) -> Path:
    """Write videos side by side, with a sound and as long as it; skipped if ``output`` exists.

    A video that ends earlier is frozen on its last frame.

    Args:
        videos: from left to right.
        sound: file with the sound.
        output: the mp4 to write.
        height: of the frames in pixels, even.
        seconds: maximum length.
        crf: quality of the H.264.

    Raises:
        MediaError: a file cannot be read, or a video has no frames.
    """
    if output.exists():
        return output
    wave = read_audio(sound, SAMPLE_RATE)[: seconds * SAMPLE_RATE]
    count = max(1, -(-len(wave) * FPS // SAMPLE_RATE))
    streams = [_fit_length(video, count, height) for video in videos]
    pictures = (np.concatenate(each, axis=1) for each in zip(*streams, strict=True))
    first = next(pictures)
    size = first.shape[1], first.shape[0]
    with VideoWriter(
        output, FPS, size, audio=wave, sample_rate=SAMPLE_RATE, crf=crf, threads=1
    ) as writer:
        for picture in chain([first], pictures):
            writer.write(picture)
    return output


def _fit_length(video: Path, count: int, height: int) -> Iterator[np.ndarray]:
    """``count`` downscaled frames of a video, repeating the last if there are fewer."""
    small = None
    for frame in islice(HeldFrames(video, FPS, 0), count):
        size = 2 * round(frame.shape[1] * height / frame.shape[0] / 2), height
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        count -= 1
        yield small
    yield from repeat(small, count)


def pick_evenly(count: int, shown: int) -> dict[int, str]:
    """Evenly spaced indices into a list sorted by distance -> their descriptions."""
    places = np.linspace(0, count - 1, min(shown, count)).round().astype(int).tolist()
    ends = {0: "least distance", count - 1: "largest distance"}
    return {place: ends.get(place, "in between") for place in places}


def report_clips(
    report: Report, pairs: Sequence[Pair], folder: str | Path
) -> list[tuple[Path, str]]:
    """Clips of the pairs with the smallest, median and largest distance, with captions.

    Args:
        report: the report of :func:`lipsync.evaluation.evaluate_generator` on ``pairs``.
        pairs: the pairs evaluated.
        folder: its output folder; clips are written to ``clips/`` in it.
    """
    numbers = {pair.name: number for number, pair in enumerate(pairs)}
    rows = sorted(report.scored_rows(GENERATED), key=lambda row: (row.distance, row.video))
    folder = Path(folder)
    clips = []
    for place, why in pick_evenly(len(rows), _CLIPS).items():
        row, number = rows[place], numbers[rows[place].video]
        output = folder / "clips" / f"{number:05d}.mp4"
        dub = dubbed_path(folder, number, pairs[number])
        write_side_by_side([pairs[number].video, dub], dub, output)
        caption = f"{why}: {row.video}, distance {row.distance:.3f}, "
        caption += f"offset {row.offset:+d} (fine {tenths(row.fine_offset)})"
        clips.append((output, caption))
    return clips
