"""Small clips for a page: the real video and its dubs side by side, with the new speech."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
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

HEIGHT = 176  # pixels of one picture
SECONDS = 6  # at most
_CRF = 30


def write_side_by_side(videos: Sequence[Path], sound: Path, output: Path) -> Path:
    """Write videos beside each other, small and short, with a sound; not if they are there.

    The last one's length counts; where another ends earlier, its last picture stays.

    Raises:
        MediaError: one of them cannot be read.
    """
    if output.exists():
        return output
    wave = read_audio(sound, SAMPLE_RATE)[: SECONDS * SAMPLE_RATE]
    streams = [iter(HeldFrames(video, FPS, 0)) for video in videos]
    held: list[np.ndarray | None] = [None] * len(videos)
    pictures = []
    for last in islice(streams.pop(), SECONDS * FPS):
        held = [*(next(*pair) for pair in zip(streams, held, strict=False)), last]
        pictures.append(np.concatenate([_small(frame) for frame in held], axis=1))
    height, width = pictures[0].shape[:2]
    with VideoWriter(
        output, FPS, (width, height), audio=wave, sample_rate=SAMPLE_RATE, crf=_CRF, threads=1
    ) as writer:
        for picture in pictures:
            writer.write(picture)
    return output


def _small(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    size = 2 * round(width * HEIGHT / height / 2), HEIGHT
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def report_clips(
    report: Report, pairs: Sequence[Pair], folder: str | Path, count: int = 3
) -> list[tuple[Path, str]]:
    """Clips of the pairs with the least, the middle and the largest distance, with captions.

    Args:
        report: what :func:`lipsync.evaluation.evaluate_generator` gave for ``pairs``.
        folder: its output folder; clips are kept in ``clips/`` there.
        count: how many.
    """
    numbers = {pair.name: number for number, pair in enumerate(pairs)}
    rows = sorted(report.of(GENERATED), key=lambda row: (row.distance, row.video))
    if not rows:
        return []
    folder = Path(folder)
    places = sorted(set(np.linspace(0, len(rows) - 1, count).round().astype(int).tolist()))
    names = {0: "least distance", len(rows) - 1: "largest distance"}
    clips = []
    for place in places:
        row, number = rows[place], numbers[rows[place].video]
        output = folder / "clips" / f"{number:05d}.mp4"
        dub = dubbed_path(folder, number, pairs[number])
        write_side_by_side([pairs[number].video, dub], dub, output)
        why = names.get(place, "in between")
        told = f"{why}: {row.video}, distance {row.distance:.3f}, "
        told += f"offset {row.offset:+d} (fine {tenths(row.fine_offset)})"
        clips.append((output, told))
    return clips
