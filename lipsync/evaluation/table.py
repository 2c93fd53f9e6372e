"""Rows of scores, their means with intervals, and both as aligned text, CSV and JSON."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from lipsync.errors import ConfigError
from lipsync.evaluation.calibration import Calibration
from lipsync.evaluation.independence import independence
from lipsync.evaluation.leakage import Leak, leakage_lines, leakage_numbers
from lipsync.evaluation.rows import COPIED, GENERATED, PICTURE, REAL, SETS, Row
from lipsync.evaluation.text import aligned, signed, tenths, write_json, write_text
from lipsync.evaluation.verdicts import Verdicts, share_right, verdict_lines, verdicts
from lipsync.metrics.statistics import Interval, mean_interval, share_interval
from lipsync.plain import Plain, plain

_IN_SYNC = 0.5  # minimum share of real videos with an offset within 1 frame
COLUMNS = ("set", "video", "n", "distance", "confidence", "offset", "fine_offset", "problem")
SCORES = ("distance", "confidence", "offset")
LSE_PROTOCOL = "syncnet_v2-1"
"""The published SyncNet v2; only its distance and confidence are LSE-D and LSE-C."""


@dataclass(frozen=True)
class Summary(Plain):
    """A set's means over the videos that could be scored, each with its interval.

    ``within_one`` is the share of videos whose offset is -1, 0 or 1; there is no mean offset,
    because +15 and -15 would cancel out. ``median_fine_offset`` is to a tenth of a frame.
    """

    set: str
    n: int
    left_out: int
    distance: Interval | None = None
    confidence: Interval | None = None
    median_offset: float | None = None
    median_fine_offset: float | None = None
    within_one: Interval | None = None
    picture: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Scores of generated videos, and of real ones for comparison.

    Attributes:
        rows: one per video and set; rows without scores name the problem.
        judge: name of the judge.
        protocol: how faces were cropped and windows cut, each with its version.
        vshift: candidate offsets on either side, in frames of 1/25 s.
        settings: what else the numbers depend on, such as the model and the list of pairs.
        frechet: the Fréchet distance and the network whose embeddings it uses, if computed.
        calibration: the judge's, if it has one.
    """

    rows: list[Row]
    judge: str
    protocol: str
    vshift: int
    settings: dict[str, Any] = field(default_factory=dict)
    frechet: dict[str, Any] | None = None
    calibration: Calibration | None = None

    @property
    def sets(self) -> list[str]:
        """The sets present, in the order of :data:`SETS`."""
        present = {row.set for row in self.rows} | {GENERATED, REAL}
        return [kind for kind in SETS if kind in present]

    def scored_rows(self, kind: str) -> list[Row]:
        """The rows of a set that could be scored."""
        return [row for row in self.rows if row.set == kind and not row.problem]

    def overall(self, kind: str) -> Summary:
        """Means over the videos of a set that could be scored."""
        rows = self.scored_rows(kind)
        left_out = sum(row.set == kind for row in self.rows) - len(rows)
        if not rows:
            return Summary(kind, 0, left_out)
        measures = {
            name: [row.picture[name] for row in rows if name in row.picture] for name in PICTURE
        }
        fine = [row.fine_offset for row in rows if row.fine_offset is not None]
        return Summary(
            kind,
            len(rows),
            left_out,
            mean_interval([row.distance for row in rows]),
            mean_interval([row.confidence for row in rows]),
            float(median(row.offset for row in rows)),
            round(median(fine), 2) if fine else None,
            share_interval([abs(row.offset) <= 1 for row in rows]),
            {name: mean_interval(values) for name, values in measures.items() if values},
        )

    def check(self) -> None:
        """Refuse a report in which no generated or no real video could be scored.

        Raises:
            ConfigError: names the first problem.
        """
        for kind in (GENERATED, REAL):
            if not self.scored_rows(kind):
                rows = [row for row in self.rows if row.set == kind]
                first = f", first {rows[0].video}: {rows[0].problem}" if rows else ""
                raise ConfigError(f"none of {len(rows)} {kind} videos could be scored{first}")

    @property
    def leakage(self) -> list[Leak]:
        """Leakage of the old mouth, see :func:`lipsync.evaluation.leakage.leakage_numbers`."""
        return leakage_numbers(self.rows)

    def problems(self) -> dict[str, str]:
        """Video -> why it was left out, each video once."""
        return {row.video: row.problem for row in self.rows if row.problem}

    @property
    def protocols(self) -> list[str]:
        """Names of the protocols, with their versions."""
        return [part.partition(":")[0] for part in self.protocol.split("; ")]

    @property
    def measures(self) -> tuple[str, str]:
        """Names of distance and confidence: LSE-D and LSE-C only for the published SyncNet v2."""
        if LSE_PROTOCOL in self.protocols:
            return "LSE-D", "LSE-C"
        judge = Path(self.judge).name
        return f"distance by {judge}", f"confidence by {judge}"

    @property
    def warning(self) -> str:
        """Why the scores are meaningless here; empty if the real videos score in sync."""
        real = self.overall(REAL)
        if not real.n:
            return ""
        wrong = []
        if real.within_one.mean < _IN_SYNC:
            wrong.append(
                f"the offset of {real.within_one.mean:.0%} of {real.n} is within 1 frame of 0, the "
                f"median is {signed(real.median_offset)}"
            )
        other = {row.video: row.distance for row in self.scored_rows(COPIED)}
        pairs = [
            (row.distance, other.get(row.video, row.distance)) for row in self.scored_rows(REAL)
        ]
        own, foreign = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
        if own >= foreign and any(a != b for a, b in pairs):
            wrong.append(
                f"their distance is {own:.3f} with their own speech, {foreign:.3f} with another"
            )
        if not wrong:
            return ""
        return (
            f"WARNING: {self.judge} does not find the real videos in sync: {'; '.join(wrong)}. "
            "Its scores on these videos are unreliable: check their sound, or use another judge"
        )

    @property
    def independence(self) -> str:
        """A warning if the judge trained the generator, or if that is unknown; else empty."""
        trained = self.settings.get("judge_trained_model")
        return independence(trained, self.judge, str(self.settings.get("model", "")))

    @property
    def in_sync(self) -> Verdicts:
        """Whether the real videos are in sync, by the judge's calibration; empty if it has none."""
        return verdicts(self.scored_rows(REAL), self.calibration, self.vshift)

    @property
    def reliability(self) -> list[dict[str, float]]:
        """Share of real videos found in sync against the stated probability, see
        :func:`share_right`."""
        return share_right(self.scored_rows(REAL), self.in_sync)

    def title(self) -> str:
        """The judge, the protocol, and how to read the numbers."""
        distance, confidence = self.measures
        return (
            f"judge: {self.judge} ({', '.join(self.protocols)}); {distance}, lower is better; "
            f"{confidence}, higher is better; offset in frames, fine_offset to "
            "a tenth; [95 % interval]"
        )

    def table(self, videos: bool = True) -> str:
        """Aligned text: the videos, the image measures, leakage, then the sets' sync scores."""
        lines = [line for line in (self.warning, self.independence, self.title()) if line]
        if videos:
            found = self.in_sync
            head = (*COLUMNS, "in_sync") if found else COLUMNS
            lines += aligned(head, [_cells(row, found) for row in self.rows], right=COLUMNS[2:7])
            lines.append("")
        for more in (self.picture_lines(), leakage_lines(self.leakage)):
            lines += [*more, ""] if more else []
        lines += verdict_lines(self.in_sync, self.reliability, self.calibration)
        return "\n".join([*lines, *self.summary_lines()])

    def picture_lines(self) -> list[str]:
        """The sets' means of the image measures, as aligned text."""
        found = {kind: self.overall(kind).picture for kind in self.sets}
        head = ("pictures", *self.sets)
        cells = [
            [name, *(_mean(found[kind].get(name)) for kind in self.sets)]
            for name in PICTURE
            if any(name in pictures for pictures in found.values())
        ]
        return aligned(head, cells, right=head[1:]) if cells else []

    def summary_lines(self) -> list[str]:
        """The sets' means as aligned text."""
        head = ("set", "n", "left out", *SCORES[:2], "median offset", "fine", "within 1")
        cells = []
        for kind in self.sets:
            found = self.overall(kind)
            numbers = (
                (_text(found.distance), _text(found.confidence), signed(found.median_offset),
                 tenths(found.median_fine_offset), _text(found.within_one, 2))
                if found.n
                else ("-",) * 5
            )  # fmt: skip
            cells.append([kind, str(found.n), str(found.left_out), *numbers])
        return aligned(head, cells, right=head[1:])

    def as_dict(self) -> dict[str, Any]:
        """The content of the JSON file."""
        return plain({
            "warning": self.warning or None,
            "independence": self.independence or None,
            "judge": self.judge,
            "protocol": self.protocol,
            "vshift": self.vshift,
            "settings": self.settings,
            "overall": {kind: self.overall(kind) for kind in self.sets},
            "leakage": self.leakage,
            "frechet": self.frechet,
            "calibration": self.calibration,
            "in_sync": {
                video: {"verdict": verdict, "probability": probability}
                for video, (verdict, probability) in self.in_sync.items()
            },
            "reliability": self.reliability,
            "videos": self.rows,
        })  # fmt: skip

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``scores.csv`` (the videos) and ``scores.json`` into ``folder`` atomically."""
        text = io.StringIO()
        columns, found = [*COLUMNS, "in_sync", *PICTURE], self.in_sync
        writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(
            asdict(row) | row.picture | {"in_sync": _verdict(row, found)} for row in self.rows
        )
        return [
            write_text(Path(folder) / "scores.csv", text.getvalue()),
            write_json(Path(folder) / "scores.json", self.as_dict()),
        ]


def _mean(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.mean:.3f}"


def _text(interval: Interval | None, digits: int = 3) -> str:
    return "-" if interval is None else interval.text(digits)


def _cells(row: Row, found: Verdicts) -> list[str]:
    numbers = [
        "-" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value}"
        for value in (row.distance, row.confidence, row.offset)
    ]
    cells = [row.set, row.video, str(row.n), *numbers, tenths(row.fine_offset), row.problem]
    return [*cells, _verdict(row, found)] if found else cells


def _verdict(row: Row, found: Verdicts) -> str:
    """The verdict on a real video; empty for others."""
    return found.get(row.video, ("",))[0] if row.set == REAL else ""
