"""Prepares videos of a person: faces cropped, sound in sync, a tenth held out."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from lipsync.adapt.agreement import agreed_offset, move_sound
from lipsync.adapt.programs import run_program
from lipsync.data.clips import Clip
from lipsync.data.pauses import loudness
from lipsync.data.store import STORED, open_clip, write_split
from lipsync.errors import ConfigError, LipsyncError, MediaError
from lipsync.faces.framing import get_framing
from lipsync.features import feature_of
from lipsync.media import probe
from lipsync.media.files import VIDEO_SUFFIXES
from lipsync.media.pictures import STILLS
from lipsync.windows import FPS

LEAST_SECONDS = 5.0
HELD_OUT = 0.1  # share of the footage used to judge the adaptation
_PIECES = 8  # minimum number, if the footage is long enough
_PIECE_SECONDS = 2.0, 10.0
_ENOUGH = 4  # minimum number of pieces to determine an offset
_SHOWN = 8  # offsets listed in an error message
_OTHERS = 0.25  # maximum share of the time with another face
_SPOKEN, _LOUD = 0.1, 1.0  # minimum share of frames this far above the quietest, in mel units
_PERSON = "person"

REASONS = {
    "bad_name": "the file's name cannot be used",
    "unreadable": "the file cannot be read",
    "empty": "the file is empty",
    "no_video": "no video",
    "no_sound": "no sound",
    "damaged": "the file is damaged",
    "no_face": "no face was found",
    "face_lost": "the face is visible too briefly",
    "too_short": "too short",
    "no_landmarks": "no facial landmarks were found",
    "small": "the face is too small",
    "out_of_frame": "the face is cut off by the edge of the picture",
    "turned": "the face is turned away",
    "blurred": "the face is blurred",
    "silent": "silence",
    "other_face": "another face speaks",
    "unsure": "it is unclear whether the face speaks",
    "off_sync": "the sound is out of sync",
    "duplicate": "repeated footage",
    "failed": "an error of the program",
}
"""Words for the reasons for which data_prep rejects a file, a shot or a face."""


@dataclass(frozen=True)
class Footage:
    """A prepared set of one person.

    Attributes:
        root: of the set.
        train, held_out: keys of its clips.
        seconds, held_out_seconds: total duration, and that of the held-out clips.
        remarks: notes on the footage for the user.
    """

    root: Path
    train: list[str]
    held_out: list[str]
    seconds: float
    held_out_seconds: float
    remarks: list[str]


def gather(
    videos: Sequence[Path],
    work: Path,
    model: nn.Module,
    *,
    face: str | None = None,
    sync_check: bool = True,
) -> Footage:
    """Prepare videos for a generator.

    Args:
        videos: of one person speaking.
        work: work folder; existing results for the same videos are reused.
        model: the generator, which determines framing, size and audio feature.
        face: "sync" selects the speaking face among several; None refuses several faces.
        sync_check: shift the sound of each video by the offset that its pieces agree on.

    Raises:
        MediaError: a video that cannot be read, or nothing usable in any of them.
        ConfigError: too little footage, several people, no speech, or sound out of sync.
    """
    length = sum(probe(video).video_seconds for video in videos)
    source, root = work / "footage", work / "set"
    shutil.rmtree(source, ignore_errors=True)
    (source / _PERSON).mkdir(parents=True)
    for number, video in enumerate(videos):
        (source / _PERSON / _link_name(number, video)).symlink_to(video.resolve())
    framing, feature = get_framing(model.config.get("framing", "box")), feature_of(model)
    least, most = _PIECE_SECONDS
    options = [
        f"source={source}",
        f"output={root}",
        f"framing={framing.name}",
        f"image_size={model.config['image_size']}",
        f"max_seconds={min(most, max(least, length / _PIECES)):.2f}",
        "min_seconds=1.0",
        "workers=0",
    ]
    if feature.file not in {stored.file for stored in STORED}:
        options.append(f"features=[{feature.asked}]")
    names = {f"{_PERSON}/{_link_name(n, video)}": video.name for n, video in enumerate(videos)}
    try:
        run_program("data_prep", options, work / "prepare.log")
    except LipsyncError:
        rows = _rows(root)
        if not rows or any(row["status"] == "kept" for row in rows):
            raise  # otherwise it only reports that nothing was kept; the reasons are in the rows
    else:
        rows = _rows(root)
    kept = [row for row in rows if row["status"] == "kept"]
    _check_people(rows, kept, face)
    where = f"{videos[0].name}: " if len(videos) == 1 else ""
    remarks: list[str] = []
    clips: list[Clip] = []
    for file, name in names.items():
        own = [row for row in kept if row["source"] == file]
        if not own:
            why = _rejection_reasons([row for row in rows if row["source"] == file])
            remarks.append(f"{name}: left out: {why}")
        found = [open_clip(root, row["key"]) for row in own]
        clips += _in_sync(root, name, own, found, remarks) if sync_check else found
    return _split(root, clips, where, _rejection_reasons(rows), remarks)


def _link_name(number: int, video: Path) -> str:
    """Name of a link to a video, with a suffix that data_prep looks for."""
    suffix = video.suffix if video.suffix.lower() in VIDEO_SUFFIXES else ".mp4"
    return f"{number:03d}{suffix}"


def _rows(root: Path) -> list[dict]:
    """Rows of the manifest, which data_prep writes last; none if there is no manifest yet."""
    path = root / "manifest.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _check_people(rows: list[dict], kept: list[dict], face: str | None) -> None:
    others = [row for row in rows if row["reason"] == "other_face"]
    seconds = sum(row["frames"] for row in others) / FPS
    if face is None and seconds > _OTHERS * sum(row["frames"] for row in kept) / FPS:
        raise ConfigError(
            f"the footage shows several faces at once for {seconds:.1f} s; use footage of one "
            "person, or pass --face sync to follow the one that speaks"
        )


def _in_sync(
    root: Path, name: str, rows: list[dict[str, Any]], clips: list[Clip], remarks: list[str]
) -> list[Clip]:
    """The clips of a video, in sync, without those that disagree with the rest.

    Where the judge was confident, data_prep has already corrected the sound.
    """
    sure = [clip.info["offset"] is not None for clip in clips]
    asked = [row for row in rows if row["offset"] is not None]
    offset = agreed_offset([row["offset"] for row in asked], [row["confidence"] for row in asked])
    if offset is None:
        if any(sure) or len(asked) < _ENOUGH:
            return clips
        found = ", ".join(f"{row['offset']:+d}" for row in asked[:_SHOWN])
        raise ConfigError(
            f"{name}: its sound is not in sync with the lips (offsets of its segments: {found} "
            "frames); use footage with its original sound, or pass --no-sync-check"
        )
    left = []
    for row, clip, known in zip(rows, clips, sure, strict=True):
        if known:
            left.append(clip)
        elif row["offset"] is not None and abs(row["offset"] - offset) <= 1:
            left.append(move_sound(root, clip, offset) if offset else clip)
    if offset:
        remarks.append(f"{name}: sound moved by {-offset:+d} frames")
    if len(left) < len(clips):
        remarks.append(f"{name}: {len(clips) - len(left)} of {len(clips)} pieces out of sync")
    return left


def _split(root: Path, clips: list[Clip], where: str, reasons: str, remarks: list[str]) -> Footage:
    """Hold out the last clips, because clips close in time are similar."""
    frames = [len(clip) for clip in clips]
    seconds = sum(frames) / FPS
    if seconds < LEAST_SECONDS or len(clips) < 2:
        raise ConfigError(
            f"{where}only {seconds:.1f} s of the footage are usable, at least "
            f"{LEAST_SECONDS:g} s are needed" + (f"; left out: {reasons}" if reasons else "")
        )
    if _speech_share(clips) < _SPOKEN:
        raise ConfigError(
            f"{where}no speech found in the footage; use footage in which the person speaks"
        )
    held, count = 0, 0
    while held < HELD_OUT * sum(frames) and count < len(clips) - 1:
        count += 1
        held += frames[-count]
    keys = [clip.key for clip in clips]
    for drawn in (root / "filelists").glob("*.txt"):  # data_prep's own splits
        drawn.unlink()
    write_split(root, "train", keys[:-count])
    write_split(root, "val", keys[-count:])
    return Footage(root, keys[:-count], keys[-count:], seconds, held / FPS, remarks)


def _speech_share(clips: Sequence[Clip]) -> float:
    """Share of the frames that are well above the quietest."""
    level = np.concatenate([loudness(clip) for clip in clips])
    return float((level > np.quantile(level, 0.02) + _LOUD).mean())


def _rejection_reasons(rows: list[dict]) -> str:
    counts = Counter(row["reason"] for row in rows if row["status"] != "kept")
    return ", ".join(f"{REASONS[reason]} ({count})" for reason, count in counts.most_common())


def check_videos(videos: Sequence[Path]) -> None:
    """Check videos by their headers alone: pictures, sound, and total duration.

    Of several videos, those without sound are left out when they are prepared.

    Raises:
        MediaError: a file that is not a video.
        ConfigError: no sound, or less than :data:`LEAST_SECONDS`.
    """
    heard = []
    for video in videos:
        about = probe(video)
        if video.suffix.lower() in STILLS or not about.has_video:
            problem = "is a still picture" if about.has_video else "contains no video"
            raise MediaError(video, problem, "use a video of the person speaking")
        if about.has_audio:
            heard.append(about)
    which = f"{videos[0]}:" if len(videos) == 1 else f"the {len(videos)} videos"
    if not heard:
        has = "has" if len(videos) == 1 else "have"
        raise ConfigError(f"{which} {has} no sound; use a video with the speech of the person")
    seconds = sum(about.video_seconds for about in heard)
    if seconds < LEAST_SECONDS and all(about.video_seconds for about in heard):  # 0 if unknown
        which = which if len(heard) == len(videos) else f"the {len(heard)} videos with sound"
        last = "lasts" if len(videos) == 1 else "last"
        raise ConfigError(
            f"{which} {last} {seconds:.1f} s, but at least {LEAST_SECONDS:g} s are needed; use a "
            "longer video, or several"
        )


def find_videos(given: Sequence[str | Path]) -> list[Path]:
    """Expand folders to their files, sorted.

    Raises:
        MediaError: there are no videos.
    """
    found: list[Path] = []
    for path in map(Path, given):
        inside = sorted(f for f in path.iterdir() if f.is_file()) if path.is_dir() else [path]
        if not inside:
            raise MediaError(path, "holds no video", "use a video of the person")
        if not path.exists():
            raise MediaError(path, "no such file or folder", "check the path")
        found += inside
    return found
