"""How fast is a video scored, compared with the straightforward way?

    python experiments/scores_speed/benchmark.py VIDEO --judge syncnet-open
    python experiments/scores_speed/benchmark.py VIDEO --judge random-syncnet-v2   # full size
    python experiments/scores_speed/benchmark.py VIDEO --judge judge-open --against syncnet-open

The straightforward way is that of the published scripts: decode all frames and write them as JPEG,
detect the face in each of them, write the crops and read them back, and embed windows one at a time
in float32. Ours detects the face at a stride, keeps the frames of a short video in memory and
decodes a longer one twice, crops, embeds in batches with folded norms (in float32, too), and
searches. ``--network`` excludes face detection on both sides, so that only decoding, cropping and
the network are compared. ``--against`` compares ours with one judge and ours with another, in
alternating runs. ``--memory`` measures how much the peak memory of the process grows for the same
video repeated several times.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from lipsync.audio import SAMPLE_RATE
from lipsync.evaluation import Judge, as_judge
from lipsync.evaluation.videos import Scoring, Stretch
from lipsync.faces.detect import Detector, get_detector
from lipsync.faces.tracks import detect_track
from lipsync.media import HeldFrames, VideoWriter, read_audio
from lipsync.metrics import sync_score
from lipsync.models import SyncNetV2
from lipsync.models.folding import folded


def make_judge(name: str) -> Judge:
    if name == "random-syncnet-v2":
        torch.manual_seed(0)
        judge = Judge(SyncNetV2().eval(), name)
        judge.network = folded(judge.model)
        return judge
    return as_judge(name)


def plain(path: Path, judge: Judge, detector: Detector, stretch: Stretch | None) -> float:
    """Distance, computed the straightforward way; detects the face unless given a ``stretch``."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        count = 0
        for count, frame in enumerate(HeldFrames(path), start=1):
            cv2.imwrite(str(folder / f"{count - 1:06d}.jpg"), frame[..., ::-1])
        if stretch is None:
            frames = (_read(folder / f"{k:06d}.jpg") for k in range(count))
            track = detect_track(frames, detector, 1)
            places, start = judge.framing.transforms(track.boxes, track.landmarks), 0
        else:
            places, start = stretch.places, stretch.start
        for k, place in enumerate(places):
            frame = _read(folder / f"{start + k:06d}.jpg")
            face = judge.framing.cut(frame, place, judge.face_size)
            cv2.imwrite(str(folder / f"crop{k:06d}.jpg"), face[..., ::-1])
        faces = np.stack([_read(folder / f"crop{k:06d}.jpg") for k in range(len(places))])
    wave = read_audio(path, SAMPLE_RATE)[start * 640 :]
    video, audio = Judge(judge.model, batch_size=1).embed(faces, wave)  # norms not folded
    return sync_score(video, audio).distance


def ours(path: Path, judge: Judge, detector: Detector, stretch: Stretch | None) -> float:
    stretch = stretch or Scoring(judge, detector).stretch(path)
    wave = read_audio(path, SAMPLE_RATE)
    return Scoring(judge, detector).measure(stretch, [wave]).scores[0].result.distance


def _read(path: Path) -> np.ndarray:
    return cv2.imread(str(path))[..., ::-1]


def timed(run: Callable[[], float], runs: int) -> tuple[float, float]:
    """Median seconds, and the result of the last run."""
    seconds, value = [], run()  # warm up: libraries initialise
    for _ in range(runs):
        start = time.perf_counter()
        value = run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), value


def side_by_side(path: Path, judges: list[Judge], detector: Detector, runs: int) -> list[float]:
    """Median seconds of ours for each judge, in alternating runs."""
    seconds: list[list[float]] = [[] for _ in judges]
    for number in range(runs + 1):
        for taken, judge in zip(seconds, judges, strict=True):
            start = time.perf_counter()
            ours(path, judge, detector, None)
            if number:  # the first run warms up
                taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in seconds]


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def longer(path: Path, output: Path, times: int) -> Path:
    """Write the video repeated ``times`` times."""
    wave = read_audio(path, SAMPLE_RATE)
    frames = list(HeldFrames(path))
    height, width = frames[0].shape[:2]
    sound = np.tile(wave[: len(frames) * 640], times)
    with VideoWriter(output, 25, (width, height), audio=sound) as video:
        for _ in range(times):
            for frame in frames:
                video.write(frame)
    return output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--judge", default="syncnet-open")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--network", action="store_true", help="exclude face detection")
    parser.add_argument("--against", metavar="JUDGE", help="compare with ours of this judge")
    parser.add_argument("--memory", type=int, metavar="TIMES", help="also measure memory")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)

    judge, detector = make_judge(args.judge), get_detector("centerface", threads=args.threads)
    if args.against:
        names, judges = (args.judge, args.against), [judge, make_judge(args.against)]
        taken = side_by_side(args.video, judges, detector, args.runs)
        for name, seconds in zip(names, taken, strict=True):
            print(f"{name:12} {seconds:8.3f} s")
        print(f"{args.judge} is {taken[1] / taken[0]:.2f} times as fast as {args.against}")
        return
    one_by_one = get_detector("centerface", threads=args.threads)
    one_by_one.at_once = 1
    stretch = Scoring(judge, detector).stretch(args.video)
    given = stretch if args.network else None
    frames = len(stretch.boxes)
    print(f"{args.judge}, {frames} frames, {args.threads} threads, median of {args.runs} runs")
    fast, distance = timed(lambda: ours(args.video, judge, detector, given), args.runs)
    slow, other = timed(lambda: plain(args.video, judge, one_by_one, given), args.runs)
    for name, seconds, found in (("plain", slow, other), ("ours", fast, distance)):
        print(f"{name:6} {seconds:8.2f} s  {frames / seconds:8.1f} frames/s  distance {found:.4f}")
    print(f"speed-up {slow / fast:.1f}")
    if args.memory:
        with tempfile.TemporaryDirectory() as scratch:
            long = longer(args.video, Path(scratch) / "long.mp4", args.memory)
            before = peak_mib()
            ours(long, judge, detector, None)
            print(f"peak {before:.0f} MiB before, {peak_mib():.0f} MiB after {args.memory} times")


if __name__ == "__main__":
    main()
