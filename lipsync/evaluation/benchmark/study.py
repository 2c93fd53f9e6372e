"""A blind study: a static page that shows two dubs side by side and asks which is better.

::

    OUT/study/index.html       the page: opens from disk or any web server, needs no network
    OUT/study/films/ID.mp4     one film per clip; the page shows two of its panels at a time
    OUT/study-key.json         which panel is which system; keep it from the participants

All dubs of a clip are panels of one film, so they always play in sync with each other and with the
sound. One of them is the original video with the new sound, the worst possible dub. Order and sides
are drawn per participant, from the seed and the participant's name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from lipsync.errors import ConfigError
from lipsync.evaluation.benchmark.cache import digest
from lipsync.evaluation.benchmark.layout import BenchClip
from lipsync.evaluation.benchmark.measures import OLD_VIDEO
from lipsync.evaluation.benchmark.numbers import BenchNumbers
from lipsync.evaluation.clips import write_side_by_side
from lipsync.evaluation.rows import REAL
from lipsync.evaluation.text import write_json, write_text
from lipsync.media import probe
from lipsync.pages import render

FORMAT = "lipsync-study-1"
KEY = "study-key.json"
QUESTIONS = {"sync": "Which is better lip-synced?", "natural": "Which looks more natural?"}
TRIALS = 30
"""Maximum number of pairs per participant."""
_HEIGHT, _WIDTH = 480, 4096  # pixels: height of a panel, maximum width of a film
_SECONDS = 12
_CRF = 16


def write_study(
    result: BenchNumbers, clips: Sequence[BenchClip], folder: Path, seed: int, trials: int
) -> Path:
    """Write the page, its films and the key into the output folder of a benchmark.

    Args:
        result: the benchmark's result; dubs that it left out are not shown.
        clips: the clips with their files.
        folder: the output folder.
        seed: determines the panels' places, and order and sides.
        trials: maximum number of pairs per participant.

    Returns:
        Path of the page.

    Raises:
        ConfigError: no clip has two panels.
        MediaError: a file that cannot be read.
    """
    films = {}
    for number, clip in enumerate(clips):
        systems = [s for s in result.systems if clip.name in result.values(s, "distance")]
        if not systems:
            continue
        same = any(clip.name in result.values(s, "psnr") for s in systems)
        kinds = [REAL if same else OLD_VIDEO, *systems]
        files = [clip.real, *(clip.dubs[s] for s in systems)]
        sound = clip.sound or files[-1]
        made_of = "\n".join([str(seed), clip.name, *map(digest, [*files, sound])])
        name = hashlib.sha256(made_of.encode()).hexdigest()[:12]
        order = np.random.default_rng([seed, number]).permutation(len(kinds)).tolist()
        panels = [files[place] for place in order]
        _write_film(panels, sound, folder / "study" / "films" / f"{name}.mp4")
        films[name] = {"clip": clip.name, "panels": [kinds[place] for place in order]}
    if not films:
        raise ConfigError("no dub could be scored, so the study would be empty")
    key = {"format": FORMAT, "seed": seed, "films": films}
    study = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    content = {
        "format": FORMAT,
        "study": study,
        "seed": seed,
        "trials": trials,
        "questions": list(QUESTIONS.items()),
        "films": {
            name: {"panels": len(film["panels"]), "pairs": _pairs(len(film["panels"]))}
            for name, film in films.items()
        },
    }
    write_json(folder / KEY, {"study": study, **key})
    return write_text(folder / "study" / "index.html", render("study.html.j2", study=content))


def _pairs(panels: int) -> list[tuple[int, int]]:
    return list(combinations(range(panels), 2))


def _write_film(files: Sequence[Path], sound: Path, output: Path) -> None:
    about = probe(files[0])
    height = min(_HEIGHT, about.height, _WIDTH * about.height // (len(files) * about.width))
    write_side_by_side(files, sound, output, height=height // 2 * 2, seconds=_SECONDS, crf=_CRF)
