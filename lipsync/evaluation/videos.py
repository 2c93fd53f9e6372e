"""Score videos: decode, follow the face, crop as the judge wants it, embed, search the offset."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.errors import ConfigError, LipsyncError, MediaError
from lipsync.evaluation.judges import Judge, as_judge
from lipsync.evaluation.table import GENERATED, REAL, Report, Row
from lipsync.faces.crops import crop
from lipsync.faces.detect import Detector, get_detector
from lipsync.faces.tracks import STRIDE, detect_track
from lipsync.media import read_audio, read_frames, resample_frames
from lipsync.metrics.functional import VSHIFT, SyncResult, sync_score
from lipsync.windows import FPS

DEFAULT_JUDGE = "expert-grid"
VIDEOS = {".mp4", ".m4v", ".mov", ".mkv", ".avi", ".mpg", ".mpeg", ".webm"}


def score_video(
    path: str | Path,
    judge: Judge,
    detector: Detector,
    *,
    stride: int = STRIDE,
    vshift: int = VSHIFT,
) -> tuple[SyncResult, int]:
    """Score the longest stretch of a video that shows its main face.

    The video is read twice and never held; memory does not grow with its pictures.

    Returns:
        The scores and the number of windows they are from.

    Raises:
        MediaError: not readable, no sound, no face, or too short for a window.
    """
    path = Path(path)
    wave = read_audio(path, SAMPLE_RATE)
    track = detect_track(_frames(path), detector, stride)
    found = np.concatenate([[0], track.found.astype(int), [0]])
    starts, ends = np.flatnonzero(np.diff(found) == 1), np.flatnonzero(np.diff(found) == -1)
    if not len(starts):
        raise MediaError(path, f"no face found in {len(track.boxes)} frames")
    longest = int((ends - starts).argmax())
    start, end = int(starts[longest]), int(ends[longest])

    boxes = judge.boxes(track.boxes[start:end])
    frames = islice(_frames(path), start, end)
    faces = (crop(frame, box, judge.face_size) for frame, box in zip(frames, boxes, strict=True))
    try:
        video, audio = judge.embed(faces, wave[start * SAMPLE_RATE // FPS :])
        return sync_score(video, audio, vshift), len(video)
    except ValueError as error:
        raise MediaError(path, str(error)) from None


def _frames(path: Path) -> Iterator[np.ndarray]:
    return resample_frames(read_frames(path), FPS)


def find_videos(paths: Iterable[str | Path]) -> list[Path]:
    """Videos among files and folders (searched to the bottom), in a settled order.

    Raises:
        MediaError: a path that does not exist, or a folder without a video.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEOS)
            if not inside:
                raise MediaError(path, "holds no video", f"looked for {', '.join(sorted(VIDEOS))}")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise MediaError(path, "no such file or folder", "check the path")
    return found


def read_pairs(path: str | Path) -> tuple[list[Path], list[Path]]:
    """Generated and real videos from a CSV of ``generated,real``, relative to its folder.

    Raises:
        MediaError: a file that cannot be read, holds no pair, or is no such CSV.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror})", "check the path") from None
    except (UnicodeDecodeError, csv.Error):
        raise MediaError(path, "is not text", "write a CSV of generated,real") from None
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not all(row):
            raise MediaError(path, f"line {number} has {len(row)} fields", "write generated,real")
    if rows and rows[0] == ["generated", "real"]:
        rows = rows[1:]
    if not rows:
        raise MediaError(path, "holds no pair", "write lines of generated,real")
    generated, real = ([path.parent / row[side] for row in rows] for side in (0, 1))
    return generated, real


def evaluate(
    generated: Iterable[str | Path],
    real: Iterable[str | Path],
    *,
    judge: Judge | str = DEFAULT_JUDGE,
    detector: str | Detector = "centerface",
    stride: int = STRIDE,
    vshift: int = VSHIFT,
    device: str = "cpu",
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Score generated videos and, always beside them, real ones.

    A video that cannot be scored is named with its problem and left out of the means.

    Args:
        generated, real: videos, or folders of videos.
        judge: an expert or SyncNetV2: its path or name, or a judge.
        detector: a face detector or its name.
        stride: a face is looked for on every so many frames.
        vshift: candidate offsets on either side, in frames.
        device: where a judge that is named runs.
        progress: called with a video's name, videos done and videos in all.

    Raises:
        MediaError: a path that does not exist, or a folder without a video.
        ConfigError: an empty set, or a judge that is none.
    """
    lists = {GENERATED: find_videos(generated), REAL: find_videos(real)}
    for kind, paths in lists.items():
        if not paths:
            raise ConfigError(f"there are no {kind} videos to score; name files or folders")
    if vshift < 1 or stride < 1:
        raise ConfigError(f"vshift and stride must be 1 or more, got {vshift} and {stride}")
    judge = as_judge(judge, device)
    if isinstance(detector, str):
        detector = get_detector(detector)

    rows: list[Row] = []
    work = [(kind, path) for kind, paths in lists.items() for path in paths]
    for done, (kind, path) in enumerate(work):
        if progress:
            progress(path.name, done, len(work))
        try:
            scores, windows = score_video(path, judge, detector, stride=stride, vshift=vshift)
        except LipsyncError as error:
            problem = getattr(error, "problem", str(error))
            rows.append(Row(kind, str(path), 0, problem=problem))
        else:
            numbers = scores.distance, scores.confidence, scores.offset
            rows.append(Row(kind, str(path), windows, *numbers))
    if progress:
        progress("", len(work), len(work))
    return Report(rows, judge.name, judge.protocol, vshift)
