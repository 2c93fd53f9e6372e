"""The last stage: dubbing the video's lips to the new sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lipsync.translation.job import TranslationJob
from lipsync.translation.speakers import Turn
from lipsync.translation.track import speaker_tracks
from lipsync.translation.work import digest, file_digest, load, save

_AROUND = 0.2  # seconds dubbed before and after a line


def move_lips(
    job: TranslationJob, track: Path, turns: Sequence[Turn], output: Path, progress: Any
) -> int:
    """Dub the video's lips to the new sound.

    If there are several faces, the one that speaks in the original is dubbed; with ``turns``, each
    speaker's face is dubbed to their own lines.
    """
    given = job.options
    options = {"device": given.device, "faces": "sync", "audio_language": given.to}
    own = {name: getattr(given, name) for name in ("audio_stream", "video_stream", "loudness")}
    options |= {name: value for name, value in own.items() if value is not None} | given.dub
    sounds: dict[str, Path] = {}
    if turns and "faces" not in job.options.dub:
        options["faces"], sounds = _parts(job, turns)
    if "fps" not in options and (turns or not {"detector", "stride"} & options.keys()):
        options["tracks"] = job.tracks  # correcting a line does not change the face tracks

    def report(stage: str, done: int, total: int | None) -> None:
        progress(f"lips: {stage}", done, total)

    if options.pop("adapt", given.adapt):
        from lipsync.adapt import adapted_generator  # late: imports PyTorch
        from lipsync.dubbing import DEFAULT_MODEL

        base = options.get("model", DEFAULT_MODEL)
        options["model"], reason = adapted_generator(
            job.video, base, face="sync", device=options["device"], progress=report
        )
        job.notes += [f"not adapted: {reason}"] if reason else []
    inputs = digest(
        job.video_digest,
        {name: str(value) for name, value in options.items()},
        [
            file_digest(path)
            for path in (track, Path(str(options.get("model", ""))), *sounds.values())
        ],
    )
    ledger = job.folder / "lips.json"
    row = {"output": output.name, "inputs": inputs}
    done = load(ledger, "videos")["videos"] if ledger.exists() and output.exists() else []
    if row | {"made": file_digest(output)} in done:
        return 0
    from lipsync.dubbing import dub  # late: imports PyTorch

    made = dub(job.video, track, output, progress=report, **options)
    if made.left_out:
        job.notes.append(f"not kept: {', '.join(made.left_out)}")
    save(ledger, {}, "videos", [row | {"made": file_digest(output)}])
    return 1


def _parts(job: TranslationJob, turns: Sequence[Turn]) -> tuple[Any, dict[str, Path]]:
    """The parts of the video that each speaker's face is dubbed in, and the files of their lines.

    A face is dubbed during the original and the new line, within the shot.
    """
    from lipsync.dubbing.parts import Part, Parts  # late: imports PyTorch

    sounds = speaker_tracks(job, [turn.speaker for turn in turns])
    ledger = job.folder / "fit.json"
    placed = load(ledger, "lines")["lines"] if ledger.exists() else []
    own: dict[str, list[tuple[float, float, str]]] = {who: [] for who in sounds}
    numbers = [turn.line for turn in turns]
    for k, turn in enumerate(turns):
        start, end = turn.start, turn.end
        if turn.line <= len(placed):
            new = placed[turn.line - 1]
            if turn.line not in numbers[:k]:
                start = min(start, new["start"])
            if turn.line not in numbers[k + 1 :]:
                end = max(end, new["end"])
        start, end = max(turn.earliest, start - _AROUND), min(turn.latest, end + _AROUND)
        if turn.face is not None:
            own[turn.speaker].append((round(start, 3), round(end, 3), turn.face))
    parts = Parts(tuple(Part(who, sounds[who], tuple(own[who])) for who in sounds))
    return parts, sounds
