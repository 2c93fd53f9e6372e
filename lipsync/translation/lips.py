"""The last stage: the video, with lips that move to the new sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lipsync.errors import ConfigError
from lipsync.translation.job import TranslationJob
from lipsync.translation.work import digest, file_digest, load, save


def move_lips(job: TranslationJob, track: Path, output: Path, progress: Any) -> int:
    """The video, with lips that move to the new sound.

    Of several faces it is the one that speaks in the original whose lips move.
    """
    options = {"device": job.options.device, "faces": "sync"} | job.options.dub

    def report(stage: str, done: int, total: int | None) -> None:
        progress(f"lips: {stage}", done, total)

    if job.options.adapt:
        options = _adapted(job, options, report)
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

    dub(job.video, track, output, progress=report, **options)
    save(ledger, {}, "videos", [row | {"made": file_digest(output)}])
    return 1


def _adapted(job: TranslationJob, options: dict[str, Any], report: Any) -> dict[str, Any]:
    """The options with a model that is adapted to the video, made once for all languages.

    Where the video has too little to adapt to, a note says so, and the model stays as it is.
    """
    from lipsync.adapt import adapt  # late: it brings PyTorch
    from lipsync.adapt.person import BASE
    from lipsync.checkpoints import load_model
    from lipsync.checkpoints.files import fingerprint

    base, person = options.get("model", BASE), job.work / "person.safetensors"
    if person.exists():
        made = load_model(person).card.get("adapted", {})
        if made.get("base_weights") == fingerprint(load_model(base)):
            return options | {"model": person}
    device = "cuda" if options["device"] != "cpu" else "cpu"
    try:
        adapt([job.video], person, base, face="sync", device=device, progress=report)
    except ConfigError as error:
        job.notes.append(f"the model was not adapted: {error}")
        return options | {"model": base}
    return options | {"model": person}
