"""Which other frames of a face the generator is shown beside the one that it paints.

A generator that copies its reference replays the mouth that it is shown. So the reference must not
depend on the mouth of the frame that is dubbed: within a shot it is a frame in which the mouth
rests, near in pose, and it stays until the pose differs clearly or a much better one has come,
which then fades in; one that shows quite another pose or light is left at once. Pose is told by
eyes and nose alone. Where nothing near in pose was seen, the reference that is nearest is used;
where nothing else was seen at all, the frame itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from torch import nn

from lipsync.dubbing.rest import (
    Candidate,
    Seen,
    apart,
    as_candidate,
    in_light_of,
    light_of,
    pose_of,
    rms,
    unrest,
)
from lipsync.dubbing.source import Source
from lipsync.dubbing.speakers import assign
from lipsync.errors import ConfigError, MediaError
from lipsync.faces.detect import Detector
from lipsync.faces.framing import Framing
from lipsync.generators.lips import ReferenceSets, is_published

AHEAD = 2.0  # seconds of a shot that are seen before its first frame is dubbed
_EVERY = 0.1  # seconds from one candidate to the next
_MOST = 40  # candidates that are kept of a face
_FACES = 4  # faces whose candidates are kept when they are seen no more
_KEPT = 256  # crops of references of earlier shots, which are shown again
_HOLD = 0.4  # seconds for which a reference stays at least
_FADE = 0.12  # seconds in which one reference gives way to another
_LIGHT = 25.0  # levels of 255 by which one is brighter, which weighs as much
_MARGIN = 0.5  # by which another reference must be better before it takes over,
_URGENT = 1.5  # and by which it takes over at once: that in use shows another pose or light

AUTO, ITSELF, FAR = "auto", "itself", "far"


def reference_choice(
    given: str | int | list[int] | None, model: nn.Module
) -> str | tuple[int, ...]:
    """How references are chosen for a generator: "auto", "itself", or frame numbers.

    Where nothing is asked for, the networks of the papers are shown the frame itself, as their
    authors do.
    """
    return parse_choice(given) or (ITSELF if is_published(model) else AUTO)


def parse_choice(given: str | int | list[int] | None) -> str | tuple[int, ...] | None:
    """What ``reference_frames`` asks for: "auto", "itself", frame numbers, or None.

    Raises:
        ConfigError: it is none of these.
    """
    if given is None or given in (AUTO, ITSELF):
        return given
    try:
        parts = given.split(",") if isinstance(given, str) else np.atleast_1d(given).tolist()
        numbers = tuple(int(part) for part in parts)
        if not numbers or min(numbers) < 0 or any(isinstance(p, (bool, float)) for p in parts):
            raise ValueError
    except (TypeError, ValueError):
        raise ConfigError(
            f"reference_frames must be auto, itself, or frame numbers such as 120,360 (from 0), "
            f"got {given!r}"
        ) from None
    return numbers


class Reach(NamedTuple):
    """How far apart poses are, in sides of the crop.

    Attributes:
        near: up to which two are alike.
        scale: beyond that, what weighs as much as a mouth that is open by the usual amount; twice
            as far weighs four times as much.
        far: beyond which a reference is said to be far.
    """

    near: float
    scale: float
    far: float


IN_BOX = Reach(0.03, 0.06, 0.12)  # heads move within their box
ALIGNED = Reach(0.004, 0.012, 0.04)  # the eyes are held in their places: what moves, turns


class Choice(NamedTuple):
    """What a frame is shown: sets of frame numbers, each with its share in the picture."""

    shares: tuple[tuple[float, tuple[int, ...]], ...]
    fallback: str = ""
    """Why it is not what is wanted: "itself", "far" in pose, or nothing."""


class _Bank:
    """The candidates of one face, and which of them are in use."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.candidates: list[Candidate] = []
        # of each: pose, light, and how far its mouth is from rest, usually 1
        self.poses, self.lights, self.unrest = np.zeros((0, 3, 2)), np.zeros(0), np.zeros(0)
        self.used: list[Candidate] = []
        self.before: tuple[int, ...] = ()  # in use until the last change,
        self.since = 0  # which is so many frames ago
        self.seen = self.chosen = 0  # frames

    def add(self, candidate: Candidate) -> None:
        self.candidates.append(candidate)
        self.unrest = unrest(self.candidates)
        if len(self.candidates) > _MOST:  # of the two most alike the one at rest stays
            poses = np.stack([np.nan_to_num(c.pose).ravel() for c in self.candidates])
            mouths = np.stack([c.mouth.ravel() for c in self.candidates])
            mouths = mouths / max(float(mouths.std()), 1e-6) / mouths.shape[1] ** 0.5
            rows = np.hstack([poses / self.reach.scale, mouths])
            alike = cdist(rows, rows)
            np.fill_diagonal(alike, np.inf)
            pair = map(int, np.unravel_index(alike.argmin(), alike.shape))
            in_use = {c.number for c in self.used}
            worth = [
                (c.number in in_use, -u) for c, u in zip(self.candidates, self.unrest, strict=True)
            ]
            self.candidates.pop(min(pair, key=worth.__getitem__))
            self.unrest = unrest(self.candidates)
        self.poses = np.stack([c.pose for c in self.candidates])
        self.lights = np.array([c.light for c in self.candidates])

    def choose(self, pose: np.ndarray, light: float, count: int, fade: int, hold: int) -> Choice:
        away, darker = apart(self.poses, pose), np.abs(self.lights - light)
        costs = self.unrest + np.square(np.maximum(0, away - self.reach.near) / self.reach.scale)
        costs += np.maximum(0, darker / _LIGHT - 0.4)
        self.since += 1
        self._change(costs, away, count, _MARGIN if self.since >= hold else _URGENT)
        numbers = tuple(c.number for c in self.used)
        fallback = FAR if apart(self.used[0].pose, pose) > self.reach.far else ""
        share = (self.since + 1) / (fade + 1)
        if not self.before or share >= 1:
            return Choice(((1.0, numbers),), fallback)
        return Choice(((1 - share, self.before), (share, numbers)), fallback)

    def _change(self, costs: np.ndarray, away: np.ndarray, count: int, margin: float) -> None:
        """Take the best candidate, and ``count - 1`` near it whose mouths differ, if need be."""
        kept = next((i for i, c in enumerate(self.candidates) if c in self.used[:1]), None)
        best = int(costs.argmin())
        worse = costs[kept] - costs[best] if kept is not None else np.inf
        if self.used and worse <= margin:
            return
        near = set(np.flatnonzero(away <= away[best] + self.reach.near).tolist())
        taken = [best]
        while len(taken) < count:
            free = sorted(near.difference(taken)) or [best]
            mouths = [self.candidates[i].mouth for i in taken]
            unlike = [min(rms(self.candidates[i].mouth - m) for m in mouths) for i in free]
            taken.append(free[int(np.argmax(unlike))])
        urgent = worse > _URGENT
        self.before, self.since = () if urgent else tuple(c.number for c in self.used), 0
        self.used = [self.candidates[i] for i in taken]


class References:
    """Chooses the references of frames that come in their order.

    Args:
        how: what :func:`reference_choice` gives.
        count: references that a face is shown at a time.
        fps: frames a second.
        given: the faces to choose from, where their frames are named.
        reach: how far poses may be apart, which depends on how faces are framed.
    """

    def __init__(
        self,
        how: str | tuple[int, ...],
        count: int,
        fps: float,
        given: Sequence[Seen] = (),
        reach: Reach = IN_BOX,
    ) -> None:
        self._how, self._count, self._reach = how, count, reach
        spans = (_EVERY, _FADE, _HOLD)
        self._every, self._fade, self._hold = (max(1, round(span * fps)) for span in spans)
        self._banks: dict[object, _Bank] = {}
        self._given: _Bank | None = None
        self._crops: dict[int, np.ndarray] = {}  # of candidates, by their numbers
        for one in given:
            self._given = self._given or _Bank(reach)
            self._add(self._given, one)

    def see(self, track: object, one: Seen) -> None:
        """A face that is to be dubbed, and may serve others as reference."""
        if self._how != AUTO:
            return
        bank = self._banks.setdefault(track, _Bank(self._reach))
        if bank.seen % self._every == 0:
            self._add(bank, one)
            done = [t for t, b in self._banks.items() if b.seen == b.chosen and b is not bank]
            for gone in done[:-_FACES]:
                del self._banks[gone]
            known = {c.number for b in self._banks.values() for c in (*b.candidates, *b.used)}
            known |= {n for b in self._banks.values() for n in b.before}
            self._crops = {n: crop for n, crop in self._crops.items() if n in known}
        bank.seen += 1

    def choose(self, track: object, one: Seen) -> Choice:
        """What a face that was seen is shown."""
        if self._how == ITSELF:
            return Choice(((1.0, (one.number,) * self._count),))
        bank = self._given or self._banks[track]
        bank.chosen += 1
        choice = bank.choose(pose_of(one), light_of(one.crop), self._count, self._fade, self._hold)
        if self._given is None and len(bank.candidates) == bank.seen == 1:
            choice = choice._replace(fallback=ITSELF)
        return choice

    def crops(
        self, choice: Choice, own: np.ndarray, read: Callable[[int], np.ndarray]
    ) -> ReferenceSets:
        """The faces of a choice, in the light of the frame.

        Args:
            choice: for a frame that was just chosen for, or is shown again.
            own: the crop of that frame.
            read: gets the crop of a frame that is not at hand any more.
        """
        if self._how == ITSELF:
            return [(1.0, [own] * self._count)]
        for number in {n for _, numbers in choice.shares for n in numbers} - self._crops.keys():
            self._crops[number] = read(number)
            while len(self._crops) > _KEPT:
                self._crops.pop(next(iter(self._crops)))
        lit = {n: in_light_of(self._crops[n], own) for _, numbers in choice.shares for n in numbers}
        return [(share, [lit[n] for n in numbers]) for share, numbers in choice.shares]

    def _add(self, bank: _Bank, one: Seen) -> None:
        bank.add(as_candidate(one))
        self._crops[one.number] = one.crop


def see_frames(
    source: Source,
    numbers: Sequence[int],
    detector: Detector,
    rules: Sequence[str | None],
    framing: Framing,
    size: int,
) -> list[list[Seen]]:
    """The face of each rule in frames of a video, in crops of ``size``.

    Raises:
        MediaError: there is no such frame, or no face in one.
    """
    path = source.path
    seen: list[list[Seen]] = [[] for _ in rules]
    remedy = "choose other frames with reference_frames"
    for number, picture in zip(numbers, _pictures(source, numbers), strict=True):
        faces = detector.detect(picture)
        found = assign(rules, [f.box for f in faces], source.size, [None] * len(rules))
        for rule, place, own in zip(rules, found, seen, strict=True):
            if place is None:
                which = f" '{rule}'" if len(rules) > 1 else ""
                problem = f"no face{which} found in reference frame {number}"
                raise MediaError(path, problem, remedy)
            box, marks = faces[place].box[None], faces[place].landmarks[None]
            try:
                transform = framing.transforms(box, marks, radius=0)[0]
            except ValueError as error:
                raise MediaError(path, f"reference frame {number}: {error}", remedy) from None
            crop = framing.cut(picture, transform, size)
            face = np.concatenate([box.ravel(), marks.ravel()])
            own.append(Seen(number, picture, crop, transform, face))
    return seen


def _pictures(source: Source, numbers: Sequence[int]) -> list[np.ndarray]:
    found: dict[int, np.ndarray] = {}
    count = 0
    if source.still is not None:
        count = 1
    elif source.times is not None and not source.resampled:
        count = len(source.times)
    else:  # the file does not tell how many there are
        for count, (_, frame) in enumerate(source.frames(), start=1):
            if count - 1 in numbers:
                found[count - 1] = frame
    if missing := [number for number in numbers if number >= count]:
        frames = (
            "one frame, number 0" if count == 1 else f"{count} frames, numbers 0 to {count - 1}"
        )
        problem = f"has no frame {missing[0]} to use as reference; it has {frames}"
        raise MediaError(source.path, problem, "choose others with reference_frames")
    return [found[n] if n in found else source.span(n, n + 1)[0] for n in numbers]
