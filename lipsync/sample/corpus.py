"""The sample corpus: synthetic talking heads in the layout of raw LRS2 footage."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from lipsync.data.store import write_split
from lipsync.errors import ConfigError
from lipsync.media import VideoWriter, whole_file
from lipsync.sample.head import HeadRenderer, random_motion
from lipsync.sample.looks import random_look
from lipsync.sample.speech import Utterance, Voice, speak

VERSION = 1  # increment whenever the same seed gives different output
FPS = 25
MARKER = "sample.json"
# frame k shows the mouth at the middle of its 40 ms, so the lips lead the sound by this much
MOUTH_LEAD = 0.5 / FPS


@dataclass(frozen=True)
class SampleClip:
    """One clip before encoding: ``wave`` float32 (n,) at 16 kHz, ``frames`` yields RGB uint8."""

    utterance: Utterance
    wave: np.ndarray
    mouth: np.ndarray  # (frames, 7), see speech.MOUTH
    frames: Iterator[np.ndarray]


def speaker_name(speaker: int) -> str:
    return f"speaker{speaker + 1:02d}"


def clip_name(clip: int) -> str:
    return f"{clip + 1:05d}"


def make_clip(seed: int, speaker: int, clip: int, seconds: float, size: int) -> SampleClip:
    """Generate one clip; the same arguments give the same samples and pixels."""
    look = random_look(seed, speaker)
    voice = Voice.random(np.random.default_rng([seed, 3, speaker]), low=look.masculine)
    # separate random streams for sound, setting and motion
    sound, setting, motion = (np.random.default_rng([seed, 4 + i, speaker, clip]) for i in range(3))
    utterance = speak(sound, voice, seconds)
    count = round(seconds * FPS)
    mouth = utterance.mouth_at(np.arange(count) / FPS + MOUTH_LEAD)

    def frames() -> Iterator[np.ndarray]:
        renderer = HeadRenderer(look, setting, size)
        for shape, state in zip(mouth, random_motion(motion, count), strict=True):
            yield renderer.render(shape, state, tuple(motion.integers(0, 32, 2)))

    return SampleClip(utterance, utterance.wave, mouth, frames())


def split_keys(speakers: int, clips: int) -> dict[str, list[str]]:
    """Keys of each split; the speakers of ``test`` are in no other split.

    A quarter of the speakers (at least three of six or more) are held out for ``test``; with ten
    speakers or more, one more is held out for ``val``. The last eighth of every training speaker's
    clips (at least one) also goes to ``val``: unseen utterances of seen faces.
    """
    testing = max(3, speakers // 4) if speakers >= 6 else 1
    validating = 1 if speakers >= 10 else 0
    training = speakers - testing - validating
    unseen = max(1, clips // 8)
    keys: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for speaker in range(speakers):
        for clip in range(clips):
            if speaker < training:
                split = "train" if clip < clips - unseen else "val"
            else:
                split = "val" if speaker < training + validating else "test"
            keys[split].append(f"{speaker_name(speaker)}/{clip_name(clip)}")
    return keys


def make_sample_corpus(
    root: str | Path,
    *,
    seed: int = 0,
    speakers: int = 12,
    clips: int = 8,
    seconds: float = 3.0,
    size: int = 240,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Generate talking heads: ``<root>/<speaker>/<clip>.mp4`` and ``filelists/<split>.txt``.

    25 fps, ``size`` x ``size`` pixels and 16 kHz mono sound, in sync. The content depends only on
    the arguments, not on ``workers`` (processes; by default one per core, at most eight). If
    ``root`` holds a complete corpus with the same arguments and generator version, it is kept;
    anything else is made again. See :func:`split_keys` for the splits.

    Raises:
        ConfigError: fewer than 3 speakers or 2 clips, under 1 second, or a ``size`` that is odd or
            under 128 pixels (the face would be too small to detect).
    """
    root = Path(root)
    if speakers < 3 or clips < 2 or seconds < 1 or size < 128 or size % 2:
        raise ConfigError(
            f"a sample corpus needs at least 3 speakers, 2 clips, 1 second and an even size of 128 "
            f"or more; got {speakers}, {clips}, {seconds} and {size}"
        )
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root}: is a file; choose a folder for the sample corpus")
    recipe = {"version": VERSION, "seed": seed, "speakers": speakers, "clips": clips}
    recipe |= {"seconds": seconds, "size": size}
    keys = split_keys(speakers, clips)
    files = [f"{key}.mp4" for members in keys.values() for key in members]
    before = _read_marker(root)
    if before.get("recipe") == recipe and before.get("complete"):
        lists = [f"filelists/{split}.txt" for split in keys]
        if all((root / file).is_file() for file in files + lists):
            return root
    for file in set(before.get("files", [])) - set(files):  # left from an earlier recipe
        if re.fullmatch(r"speaker\d+/\d+\.mp4", str(file)):
            (root / file).unlink(missing_ok=True)
    _write_marker(root, {"recipe": recipe, "complete": False, "files": files})
    jobs = [(speaker, clip) for speaker in range(speakers) for clip in range(clips)]
    write = partial(_write_clip, root, seed, seconds, size)
    with tqdm(total=len(jobs), unit="clip", desc="sample corpus", disable=not progress) as bar:
        for _ in _spread(write, jobs, workers or min(8, os.cpu_count() or 1)):
            bar.update()
    for split, members in keys.items():
        write_split(root, split, members)
    # last: now it is complete
    _write_marker(root, {"recipe": recipe, "complete": True, "files": files})
    return root


def _read_marker(root: Path) -> dict:
    """The content of the marker file; empty if it is missing or unreadable."""
    try:
        found = json.loads((root / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_marker(root: Path, content: dict) -> None:
    with whole_file(root / MARKER) as making:
        making.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _spread(write, jobs: list[tuple[int, int]], workers: int) -> Iterator[None]:
    """Run ``write(*job)`` for every job, in one or more processes."""
    if workers == 1:
        for job in jobs:
            yield write(*job)
        return
    context = multiprocessing.get_context("spawn")  # forking under torch's threads can hang
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)
    )
    try:
        for done in as_completed([pool.submit(write, *job) for job in jobs]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _write_clip(root: Path, seed: int, seconds: float, size: int, speaker: int, clip: int) -> None:
    path = root / speaker_name(speaker) / f"{clip_name(clip)}.mp4"
    made = make_clip(seed, speaker, clip, seconds, size)
    with VideoWriter(path, FPS, (size, size), audio=made.wave, threads=1) as video:
        for frame in made.frames:
            video.write(frame)
