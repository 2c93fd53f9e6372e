"""Result of a dub."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from lipsync.dubbing.references import FAR, ITSELF, Choice
from lipsync.plain import Plain

Spans = list[tuple[int, int]]
"""(start, end) frame ranges, end exclusive."""


@dataclass
class ReferencesUsed:
    """Frames of the face's video that were used as references.

    Attributes:
        choice: "auto", "itself", or the given numbers.
        frames: numbers of the reference frames, except where each frame is its own reference.
        far: frames of the dubbed video without a reference of similar pose.
        itself: frames that are their own reference because their shot has no other.
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
            extend_spans(self.far if choice.fallback == FAR else self.itself, number)

    def __str__(self) -> str:
        if self.choice == ITSELF:
            return "each frame itself"
        count = len(self.frames)
        text = f"{count} frame{'s' * (count != 1)}" if count > 4 else _format_frames(self.frames)
        for spans, why in ((self.far, "far in pose"), (self.itself, "no other frame to choose")):
            text += f", {why}: {_format_spans(spans)}" if spans else ""
        return text


@dataclass(frozen=True)
class DubResult(Plain):
    """The result of a dub.

    Attributes:
        output: the file that was written.
        frames, seconds, fps: of the dubbed video; its sound ends within 20 ms of it. A variable
            rate's ``fps`` is its mean.
        faces_found: frames that were dubbed.
        by_face: number of dubbed frames for each of several faces.
        people: number of dubbed frames for each person of a gallery; "" for faces of other people.
        skipped: (start, end) ranges of frames that were not dubbed, end exclusive: no face, or one
            that is too small or in profile.
        source_frames: frames of the face's video that were used.
        length: "whole" if video and sound had the same length; "cut" or "keep" if the video was
            longer; "pingpong", "loop", "freeze" or "trim" if the sound was longer.
        stretch: (start, end) of the dubbed range in seconds, if it was not the whole video.
        model: name of the generator.
        not_adapted: why the generator was not adapted to the person although requested; else "".
        references: its reference frames.
        sound: "copied", or the codec of the sound, and its loudness if one was requested.
        silent: whether the sound is silent, so that the mouth rests throughout.
        variable: whether the frame rate varies.
        hdr: transfer of HDR video that was tone-mapped, "PQ" or "HLG"; else "".
        codec: of the video, a name of ``--codec``, or "png".
        kept: properties of the source kept beyond 8-bit colour: "10 bits", "transparency", or both.
        beside: other tracks and chapters of the source that were kept, briefly described.
        left_out: those that were left out, and why.
        tracks: file of face boxes, if one was written.
        stage_seconds: seconds in which each stage was busy; they overlap.
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
    not_adapted: str = ""
    by_face: dict[str, int] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        gaps = _format_spans(self.skipped)
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
            f"{f'; not adapted: {self.not_adapted}' if self.not_adapted else ''}"
        )


def extend_spans(spans: Spans, number: int) -> None:
    """Add a frame to the last span, or start a new one."""
    if spans and spans[-1][1] == number + 1:  # another face of the same frame
        return
    if spans and spans[-1][1] == number:
        spans[-1] = (spans[-1][0], number + 1)
    else:
        spans.append((number, number + 1))


def _format_spans(spans: Spans) -> str:
    return ", ".join(
        f"{start}-{end - 1}" if end - start > 1 else str(start) for start, end in spans
    )


def _format_frames(frames: list[int]) -> str:
    return f"frame{'s' * (len(frames) != 1)} {', '.join(map(str, frames))}"
