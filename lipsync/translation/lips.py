"""The last stage: the video, with lips that move to the new sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lipsync.translation.job import TranslationJob
from lipsync.translation.work import digest, file_digest, load, save


def move_lips(job: TranslationJob, track: Path, output: Path, progress: Any) -> int:
    """The video, with lips that move to the new sound.

    Of several faces it is the one that speaks in the original whose lips move.
    """
    options = {"device": job.options.device, "speaker": "sync"} | job.options.dub
    inputs = digest(
        job.video_digest,
        {name: str(value) for name, value in options.items()},
        [file_digest(path) for path in (track, Path(str(options.get("model", ""))))],
    )
    ledger = job.folder / "lips.json"
    row = {"output": output.name, "inputs": inputs}
    done = load(ledger, "videos")["videos"] if ledger.exists() and output.exists() else []
    if row | {"made": file_digest(output)} in done:
        return 0
    from lipsync.dubbing import dub  # late: it brings PyTorch

    def report(stage: str, done: int, total: int | None) -> None:
        progress(f"lips: {stage}", done, total)

    dub(job.video, track, output, progress=report, **options)
    save(ledger, {}, "videos", [row | {"made": file_digest(output)}])
    return 1
