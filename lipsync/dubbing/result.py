"""What a dub came to."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from lipsync.dubbing.references import FAR, ITSELF, Choice
from lipsync.plain import Plain

Spans = list[tuple[int, int]]
"""(start, end) of frames, the end not included."""


@dataclass
class ReferencesUsed:
    """Which frames of the face's video the generator was shown.

    Attributes:
        choice: "auto", "itself", or the numbers that were given.
        frames: numbers of those that were used, except where each frame was shown itself.
        far: frames of the dubbed video whose reference is far in pose: none nearer was seen.
        itself: frames of it that were shown themselves because their shot has no other.
    """

    choice: str | tuple[int, ...]
    frames: list[int] = field(default_factory=list)
    far: Spans = field(default_factory=list)
    itself: Spans = field(default_factory=list)

    def add(self, number: int, choice: Choice) -> None:
        """Count a frame of the dubbed video."""
        if self.choice == ITSELF:
            return
        used = {n for _, numbers in choice.shares for n in numbers}
        for new in used.difference(self.frames):
            insort(self.frames, new)
        if choice.fallback:
            extend(self.far if choice.fallback == FAR else self.itself, number)

    def __str__(self) -> str:
        if self.choice == ITSELF:
            return "each frame itself"
        count = len(self.frames)
        text = f"{count} frame{'s' * (count != 1)}" if count > 4 else _listed(self.frames)
        for spans, why in ((self.far, "far in pose"), (self.itself, "no other frame to choose")):
            text += f", {why}: {_spans(spans)}" if spans else ""
        return text


@dataclass(frozen=True)
class DubResult(Plain):
    """What a dub came to.

    Attributes:
        output: the file that was written.
        frames, seconds, fps: of the dubbed video; its sound ends within 20 ms of it. A variable
            rate's ``fps`` is its mean.
        faces_found: frames that were dubbed.
        by_face: of each of several faces, in how many.
        people: of each person of a library, in how many; "" for faces that are nobody's there.
        skipped: (start, end) spans of frames of the dubbed video that were not, the end not
            included: no face, or one too small or from the side.
        source_frames: frames of the face's video that were used.
        length: "whole" where video and sound were as long as each other, "cut" or "keep" where the
            video was longer, or what was done about a longer sound: "pingpong", "loop", "freeze",
            "trim".
        stretch: (start, end) in seconds of what was dubbed, where that was not the whole.
        model: name of the generator.
        references: which frames it was shown.
        sound: "copied", or the codec that it was encoded with, and its loudness where one was asked
            for.
        silent: whether nothing is heard in the sound, so that the mouth was to rest throughout.
        variable: whether frames have times of their own.
        hdr: what the video was tone-mapped from, "PQ" or "HLG"; "" where it is no HDR.
        codec: of the video, a name of ``--codec``, or "png".
        kept: what of the source is there beside 8 bits of colour: "10 bits", "transparency", both.
        beside: other tracks of the source and its chapters that are there, a few words on each.
        left_out: those that are not, and why.
        tracks: file of face boxes that was written, if one was.
        stage_seconds: seconds that each stage was at work; they overlap.
        wall_seconds: from the first frame to the file.
    """

    output: Path
    frames: int
    seconds: float
    fps: Fraction
    faces_found: int
    skipped: list[tuple[int, int]]
    source_frames: int
    length: str
    model: str
    references: ReferencesUsed
    sound: str = "aac"
    silent: bool = False
    variable: bool = False
    hdr: str = ""
    codec: str = "h264"
    kept: str = ""
    beside: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    stretch: tuple[float, float] | None = None
    tracks: Path | None = None
    stage_seconds: dict[str, float] = field(default_factory=dict)
    wall_seconds: float = 0.0
    by_face: dict[str, int] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        gaps = _spans(self.skipped)
        rate = f"{float(self.fps):.5g} fps{' on average' if self.variable else ''}"
        only = "" if self.stretch is None else "only {:.2f} to {:.2f} s; ".format(*self.stretch)
        each = ", ".join(f"{face} in {count}" for face, count in self.by_face.items())
        each = f" ({each})" if each else ""
        people = ", ".join(f"{name or 'nobody known'} in {n}" for name, n in self.people.items())
        beside = f"; kept: {', '.join(self.beside)}" if self.beside else ""
        beside += f"; left out: {', '.join(self.left_out)}" if self.left_out else ""
        return (
            f"{self.output}: {self.frames} frames, {self.seconds:.2f} s at {rate}; "
            f"{only}face in {self.faces_found}{each}{f', frames without: {gaps}' if gaps else ''}; "
            f"{self.source_frames} frames of the face's video, length: {self.length}; "
            f"references: {self.references}; "
            f"{f'tone-mapped from {self.hdr}; ' if self.hdr else ''}"
            f"video: {self.codec}{f', {self.kept} kept' if self.kept else ''}; "
            f"sound: {self.sound}{', silent' if self.silent else ''}{beside}; "
            f"synthetic, by {self.model}{f' ({people})' if people else ''}"
        )


def extend(spans: Spans, number: int) -> None:
    """Add a frame to the last span, or begin one."""
    if spans and spans[-1][1] == number + 1:  # another face of the same frame
        return
    if spans and spans[-1][1] == number:
        spans[-1] = (spans[-1][0], number + 1)
    else:
        spans.append((number, number + 1))


def _spans(spans: Spans) -> str:
    return ", ".join(f"{start}-{end - 1}" for start, end in spans)


def _listed(frames: list[int]) -> str:
    return f"frame{'s' * (len(frames) != 1)} {', '.join(map(str, frames))}"
