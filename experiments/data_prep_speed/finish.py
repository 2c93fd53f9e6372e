"""Time and memory of the last steps of data_prep: split lists, manifest and report page.

    python experiments/data_prep_speed/finish.py --rows 1000000

Only the rows exist, and they are simulated: files of one clip each, with as many files per video
(seven) and per speaker (a hundred) as in VoxCeleb2. One in twenty is rejected, and one in a
thousand is a duplicate.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from data_prep.finish import finish
from data_prep.manifest import KEPT, REJECTED, Row, Rows
from data_prep.options import Options
from data_prep.scan import Source


def simulated(number: int, speakers: int, rng: np.random.Generator) -> tuple[Source, Row]:
    """A file and its row, with strings as long as real ones."""
    key = f"id{number // 100 % speakers:05}/{number // 7:09}-Xy/{number:06}"
    name = f"{key}.mp4"
    content = hashlib.sha256(str(number - (number % 1000 == 7)).encode()).hexdigest()
    size, sharp = (float(value) for value in rng.uniform((40, 1), (300, 6)).round(2))
    common = {"start": 0, "frames": 120, "seconds": 4.8, "face_size": size, "sharpness": sharp}
    common |= {"turn": 0.21, "outside": 0.01, "level": -21.3, "hash": content}
    if number % 20 == 3:
        row = Row(key, name, REJECTED, "blurred", "sharpness 0.7, minimum is 0.8", **common)
    else:
        judged = {"offset": number % 3 - 1, "fine_offset": 0.1, "confidence": sharp}
        row = Row(key, name, KEPT, content=content, **common, **judged)
    return Source("in", name, name, key, key), row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    count = parser.parse_args().rows
    rng, rows, sources = np.random.default_rng(0), Rows(), []
    began = time.perf_counter()
    for number in range(count):
        source, row = simulated(number, max(1, count // 100), rng)
        sources.append(source)
        rows[source.name] = [row]
    print(f"{count} rows came within {time.perf_counter() - began:.0f} s, {_peak():.2f} GB")
    with tempfile.TemporaryDirectory() as folder:
        output, lists = Path(folder, "out"), Path(folder, "in")
        output.mkdir()
        lists.mkdir()
        began, worked = time.perf_counter(), time.process_time()
        shares = {"val": 0.05, "test": 0.05}
        made = finish(lists, output, rows, sources, shares, Options(), lambda *_: None, count)
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    cpu = time.process_time() - worked
    print(f"finished within {seconds:.0f} s, {cpu:.0f} s of a core; {_peak():.2f} GB at most")
    print(f"  {size / 1e9:.2f} GB written")
    for row in made.splits.table:
        print(f"  {row.split}: {row.speakers} speakers, {row.clips} clips")
    print(f"  {dict(made.reasons)}")


def _peak() -> float:
    """Peak memory of this process, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
