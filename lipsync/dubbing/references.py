"""Selection of reference frames for the generator.

A generator that copies its reference replays the reference's mouth, so the choice must not depend
on the mouth of the frame being dubbed. Within a shot, the reference is a frame with the mouth at
rest and a similar head pose. It is kept until the pose differs clearly or a much better candidate
appears, which is then cross-faded in; if pose or lighting become very different, the reference
changes at once. Pose is measured on eyes and nose only. If no candidate has a similar pose, the
nearest is used; if there is no other frame at all, the frame itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from torch import nn

from lipsync.dubbing.candidates import (
    Candidate,
    FaceSample,
    distance_from_rest,
    match_lighting,
    mean_light,
    measure_candidate,
    pose_distance,
    pose_in_crop,
    rms,
)
from lipsync.dubbing.source import Source
from lipsync.dubbing.speakers import assign
from lipsync.errors import ConfigError, MediaError
from lipsync.faces.detect import Detector
from lipsync.faces.framing import Framing
from lipsync.generators.lips import ReferenceSets, is_published

LOOK_AHEAD = 2.0  # look-ahead in seconds within a shot
_CANDIDATE_STEP = 0.1  # seconds between candidates
_MAX_CANDIDATES = 40  # maximum number of candidates per face
_KEPT_FACES = 4  # number of past faces whose candidates are kept
_CACHED_CROPS = 256  # cached crops of references, for repeated frames
_HOLD = 0.4  # minimum time in seconds to keep a reference
_FADE = 0.12  # cross-fade between references, in seconds
_LIGHT = 25.0  # difference in brightness, in 8-bit levels, that costs 1
_MARGIN = 0.5  # cost by which another reference must be better to replace the current one,
_URGENT = 1.5  # and to replace it at once, as pose or lighting have changed

AUTO, ITSELF, FAR = "auto", "itself", "far"


def reference_choice(
    given: str | int | list[int] | None, model: nn.Module
) -> str | tuple[int, ...]:
    """How references are chosen for a generator: "auto", "itself", or frame numbers.

    By default, published networks get the frame itself, as in their authors' code.
    """
    return parse_choice(given) or (ITSELF if is_published(model) else AUTO)


def parse_choice(given: str | int | list[int] | None) -> str | tuple[int, ...] | None:
    """Parse ``reference_frames``: "auto", "itself", frame numbers, or None.

    Raises:
        ConfigError: none of these.
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


class PoseThresholds(NamedTuple):
    """Thresholds on distances between poses, as fractions of the crop's side.

    Attributes:
        near: distance up to which poses count as equal.
        scale: excess distance that costs as much as a mouth opened by the usual amount; the cost is
            quadratic.
        far: distance beyond which a reference is reported as far.
    """

    near: float
    scale: float
    far: float


IN_BOX = PoseThresholds(0.03, 0.06, 0.12)  # heads move within the box
ALIGNED = PoseThresholds(0.004, 0.012, 0.04)  # with alignment, only head rotation moves landmarks


class Choice(NamedTuple):
    """References of a frame: sets of frame numbers, each with its blend weight."""

    shares: tuple[tuple[float, tuple[int, ...]], ...]
    fallback: str = ""
    """Why there was no suitable reference: "itself", "far" (in pose), or empty."""


class _Bank:
    """Candidates of one face, and the references in use."""

    def __init__(self, thresholds: PoseThresholds) -> None:
        self.thresholds = thresholds
        self.candidates: list[Candidate] = []
        # per candidate: pose, light, and distance of the mouth from rest, typically 1
        self.poses, self.lights, self.rest_distances = np.zeros((0, 3, 2)), np.zeros(0), np.zeros(0)
        self.used: list[Candidate] = []
        self.before: tuple[int, ...] = ()  # references before the last change
        self.since = 0  # frames since the last change
        self.added_frames = self.chosen_frames = 0  # numbers of frames

    def add(self, candidate: Candidate) -> None:
        self.candidates.append(candidate)
        self.rest_distances = distance_from_rest(self.candidates)
        if len(self.candidates) > _MAX_CANDIDATES:
            # of the two most similar, drop the one less at rest
            poses = np.stack([np.nan_to_num(c.pose).ravel() for c in self.candidates])
            mouths = np.stack([c.mouth.ravel() for c in self.candidates])
            mouths = mouths / max(float(mouths.std()), 1e-6) / mouths.shape[1] ** 0.5
            rows = np.hstack([poses / self.thresholds.scale, mouths])
            alike = cdist(rows, rows)
            np.fill_diagonal(alike, np.inf)
            pair = map(int, np.unravel_index(alike.argmin(), alike.shape))
            in_use = {c.number for c in self.used}
            ranks = [
                (c.number in in_use, -u)
                for c, u in zip(self.candidates, self.rest_distances, strict=True)
            ]
            self.candidates.pop(min(pair, key=ranks.__getitem__))
            self.rest_distances = distance_from_rest(self.candidates)
        self.poses = np.stack([c.pose for c in self.candidates])
        self.lights = np.array([c.light for c in self.candidates])

    def choose(self, pose: np.ndarray, light: float, count: int, fade: int, hold: int) -> Choice:
        away, darker = pose_distance(self.poses, pose), np.abs(self.lights - light)
        costs = self.rest_distances + np.square(
            np.maximum(0, away - self.thresholds.near) / self.thresholds.scale
        )
        costs += np.maximum(0, darker / _LIGHT - 0.4)
        self.since += 1
        self._switch(costs, away, count, _MARGIN if self.since >= hold else _URGENT)
        numbers = tuple(c.number for c in self.used)
        fallback = FAR if pose_distance(self.used[0].pose, pose) > self.thresholds.far else ""
        share = (self.since + 1) / (fade + 1)
        if not self.before or share >= 1:
            return Choice(((1.0, numbers),), fallback)
        return Choice(((1 - share, self.before), (share, numbers)), fallback)

    def _switch(self, costs: np.ndarray, away: np.ndarray, count: int, margin: float) -> None:
        """If it is worth changing, take the best candidate and ``count - 1`` others near it in pose
        with different mouths."""
        kept = next((i for i, c in enumerate(self.candidates) if c in self.used[:1]), None)
        best = int(costs.argmin())
        excess = costs[kept] - costs[best] if kept is not None else np.inf
        if self.used and excess <= margin:
            return
        near = set(np.flatnonzero(away <= away[best] + self.thresholds.near).tolist())
        picked = [best]
        while len(picked) < count:
            free = sorted(near.difference(picked)) or [best]
            mouths = [self.candidates[i].mouth for i in picked]
            unlike = [min(rms(self.candidates[i].mouth - m) for m in mouths) for i in free]
            picked.append(free[int(np.argmax(unlike))])
        urgent = excess > _URGENT
        self.before, self.since = () if urgent else tuple(c.number for c in self.used), 0
        self.used = [self.candidates[i] for i in picked]


class References:
    """Chooses references for frames in order.

    Args:
        how: result of :func:`reference_choice`.
        count: references per frame.
        fps: frames per second.
        given: faces to choose from, if frames were given by number.
        thresholds: thresholds on pose, which depend on the framing.
    """

    def __init__(
        self,
        how: str | tuple[int, ...],
        count: int,
        fps: float,
        given: Sequence[FaceSample] = (),
        thresholds: PoseThresholds = IN_BOX,
    ) -> None:
        self._how, self._count, self._thresholds = how, count, thresholds
        spans = (_CANDIDATE_STEP, _FADE, _HOLD)
        self._step, self._fade, self._hold = (max(1, round(span * fps)) for span in spans)
        self._banks: dict[object, _Bank] = {}
        self._given: _Bank | None = None
        self._crops: dict[int, np.ndarray] = {}  # of candidates, by frame number
        for one in given:
            self._given = self._given or _Bank(thresholds)
            self._add(self._given, one)

    def add(self, track: object, one: FaceSample) -> None:
        """Add a face that is to be dubbed as a possible reference for other frames."""
        if self._how != AUTO:
            return
        bank = self._banks.setdefault(track, _Bank(self._thresholds))
        if bank.added_frames % self._step == 0:
            self._add(bank, one)
            done = [
                t
                for t, b in self._banks.items()
                if b.added_frames == b.chosen_frames and b is not bank
            ]
            for gone in done[:-_KEPT_FACES]:
                del self._banks[gone]
            known = {c.number for b in self._banks.values() for c in (*b.candidates, *b.used)}
            known |= {n for b in self._banks.values() for n in b.before}
            self._crops = {n: crop for n, crop in self._crops.items() if n in known}
        bank.added_frames += 1

    def choose(self, track: object, one: FaceSample) -> Choice:
        """Choose references for a face that was added by :meth:`add`."""
        if self._how == ITSELF:
            return Choice(((1.0, (one.number,) * self._count),))
        bank = self._given or self._banks[track]
        bank.chosen_frames += 1
        choice = bank.choose(
            pose_in_crop(one), mean_light(one.crop), self._count, self._fade, self._hold
        )
        if self._given is None and len(bank.candidates) == bank.added_frames == 1:
            choice = choice._replace(fallback=ITSELF)
        return choice

    def crops(
        self, choice: Choice, own: np.ndarray, read: Callable[[int], np.ndarray]
    ) -> ReferenceSets:
        """Reference crops of a choice, matched to the lighting of the frame.

        Args:
            choice: result of :meth:`choose`, now or, for repeated frames, earlier.
            own: crop of the frame itself.
            read: reads the crop of a frame that is no longer in memory.
        """
        if self._how == ITSELF:
            return [(1.0, [own] * self._count)]
        for number in {n for _, numbers in choice.shares for n in numbers} - self._crops.keys():
            self._crops[number] = read(number)
            while len(self._crops) > _CACHED_CROPS:
                self._crops.pop(next(iter(self._crops)))
        matched = {
            n: match_lighting(self._crops[n], own) for _, numbers in choice.shares for n in numbers
        }
        return [(share, [matched[n] for n in numbers]) for share, numbers in choice.shares]

    def _add(self, bank: _Bank, one: FaceSample) -> None:
        bank.add(measure_candidate(one))
        self._crops[one.number] = one.crop


def sample_frames(
    source: Source,
    numbers: Sequence[int],
    detector: Detector,
    rules: Sequence[str | None],
    framing: Framing,
    size: int,
) -> list[list[FaceSample]]:
    """Read the face of each rule in given frames of a video, as crops of ``size``.

    Raises:
        MediaError: there is no such frame, or it has no face.
    """
    path = source.path
    samples: list[list[FaceSample]] = [[] for _ in rules]
    remedy = "choose other frames with `reference_frames`"
    for number, picture in zip(numbers, _pictures(source, numbers), strict=True):
        faces = detector.detect(picture)
        found = assign(rules, [f.box for f in faces], source.size, [None] * len(rules))
        for rule, place, own in zip(rules, found, samples, strict=True):
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
            own.append(FaceSample(number, picture, crop, transform, face))
    return samples


def _pictures(source: Source, numbers: Sequence[int]) -> list[np.ndarray]:
    found: dict[int, np.ndarray] = {}
    count = 0
    if source.still is not None:
        count = 1
    elif source.times is not None and not source.resampled:
        count = len(source.times)
    else:  # the number of frames is unknown
        for count, (_, frame) in enumerate(source.frames(), start=1):
            if count - 1 in numbers:
                found[count - 1] = frame
    if missing := [number for number in numbers if number >= count]:
        frames = (
            "one frame, number 0" if count == 1 else f"{count} frames, numbers 0 to {count - 1}"
        )
        problem = f"has no frame {missing[0]} to use as reference; it has {frames}"
        raise MediaError(source.path, problem, "choose others with `reference_frames`")
    return [found[n] if n in found else source.span(n, n + 1)[0] for n in numbers]
