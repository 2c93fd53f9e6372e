"""A generator adapted to the person in one video, trained once and cached for the user."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from filelock import FileLock

from lipsync import __version__
from lipsync.adapt.person import BASE, Progress, adapt
from lipsync.checkpoints.files import fingerprint, sha256, whole_files
from lipsync.errors import CheckpointError, ConfigError
from lipsync.generators.lips import read_generator
from lipsync.speeds import cache_folder


def adapted_generator(
    video: str | Path,
    base: str | Path = BASE,
    *,
    face: str | None = None,
    device: str = "cpu",
    progress: Progress = lambda stage, done, total: None,
) -> tuple[str | Path, str]:
    """The generator to dub a video with: adapted to the person in it, if that is an improvement.

    The first call for a video trains it, on the video's own sound; later calls find it in the
    cache. The cache key is the content of the video, the weights of the base, ``face`` and the
    version of the package. A killed call is resumed by the next; of concurrent calls one trains and
    the others wait.

    Args:
        video: a video with the person's own speech.
        base: name or path of the generator to start from.
        face: "sync" selects the speaking face among several; None refuses several.
        device: of the dub; if it is a GPU, training uses it, too.
        progress: called with ("adapt: STAGE", steps done, steps in total) during training.

    Returns:
        The adapted generator's file and ""; or the base and the reason why it is not adapted, in
        one line: too little footage, several people, no gain. This result is cached, too.

    Raises:
        MediaError: a video that cannot be read.
        CheckpointError: a base that cannot be read, or a cache that cannot be written.
        ConfigError: a base that is not a generator.
        LipsyncError: footage that cannot be prepared, or training that fails.
    """
    weights = fingerprint(read_generator(base))
    try:
        key_parts = [sha256(Path(video)), weights, face, __version__]
        name = hashlib.sha256(json.dumps(key_parts).encode()).hexdigest()[:16]
        folder = cache_folder() / "adapted" / name
        adapted, refused = folder / f"{Path(base).stem}-adapted.safetensors", folder / "refused.txt"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if not adapted.exists() and not refused.exists():
                try:
                    adapt(
                        [video],
                        adapted,
                        base,
                        face=face,
                        device="cuda" if device.startswith("cuda") else "cpu",
                        progress=lambda stage, *counts: progress(f"adapt: {stage}", *counts),
                    )
                except ConfigError as error:
                    with whole_files(refused) as (file,):
                        file.write_text(str(error), encoding="utf-8")
            return (
                (adapted, "") if adapted.exists() else (base, refused.read_text(encoding="utf-8"))
            )
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(
            error.filename or cache_folder(),
            f"cannot be read or written ({reason})",
            "set LIPSYNC_CACHE to another folder",
        ) from error
