"""Frames per second of data_prep with one worker and with two, and its memory for a long video.

    python experiments/data_prep_speed/benchmark.py FOOTAGE --clips 120 --minutes 30

FOOTAGE is a folder of videos, ``<speaker>/<clip>.mp4``. The long video repeats the packets of one
of them. The sync check is off. Memory is the peak resident set size of the largest worker.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import av

from data_prep.options import Options
from data_prep.run import Summary, prepare
from data_prep.scan import scan


def repeated(clip: Path, target: Path, minutes: float) -> None:
    """Repeat ``clip`` without re-encoding it."""
    with av.open(str(target), "w") as new:
        streams, shift = {}, 0.0
        while shift < 60 * minutes:
            with av.open(str(clip)) as old:
                kinds = (old.streams.video[0], old.streams.audio[0])
                if not streams:
                    streams = {s.type: new.add_stream_from_template(s) for s in kinds}
                for packet in old.demux(*kinds):
                    if packet.dts is None:
                        continue
                    ticks = round(shift / packet.time_base)
                    packet.dts += ticks
                    packet.pts += ticks
                    packet.stream = streams[packet.stream.type]
                    new.mux(packet)
                # Packets of a stream may begin before time 0, so leave a gap between repetitions.
                shift += float(old.duration / av.time_base) + 0.2


def timed(source: Path, output: Path, workers: int) -> tuple[float, Summary]:
    start = time.perf_counter()
    summary = prepare(source, output, Options(judge=None), workers=workers)
    return time.perf_counter() - start, summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("footage", type=Path)
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--minutes", type=float, default=0, help="long video's length; 0 for none")
    arguments = parser.parse_args()

    sources = scan(arguments.footage)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # Take clips evenly from the list, so that all speakers are represented.
        for item in sources[:: max(1, len(sources) // arguments.clips)][: arguments.clips]:
            link = root / "in" / (item.key + item.path.suffix)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(item.path.resolve())
        seconds = {}
        for workers in (1, 2):
            seconds[workers], summary = timed(root / "in", root / f"out{workers}", workers)
            frames = sum(row.frames for row in summary.rows)
            print(
                f"{workers} worker(s): {frames} frames in {seconds[workers]:.1f} s, "
                f"{frames / seconds[workers]:.0f} frames/s, {len(summary.kept)} clips kept"
            )
        print(f"two workers take {seconds[2] / seconds[1]:.0%} of the time of one")
        if arguments.minutes:
            (root / "long/s").mkdir(parents=True)
            repeated(sources[0].path, root / "long/s/long.mp4", arguments.minutes)
            took, summary = timed(root / "long", root / "out", 1)
            frames = sum(row.frames for row in summary.rows)
            print(f"{arguments.minutes:g} minutes: {len(summary.kept)} clips in {took:.1f} s, "
                  f"{frames / took:.0f} frames/s")  # fmt: skip
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"the largest worker took {peak:.0f} MiB")


if __name__ == "__main__":
    main()
