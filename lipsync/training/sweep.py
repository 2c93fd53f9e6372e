"""A sweep's folder as a table and a plot: ``python -m lipsync.training.sweep FOLDER``.

One row per run below the folder: its overrides, and its metrics at its best validation. Writes
``sweep.csv`` (all metrics), ``sweep.md`` (the main ones) and, for generators, ``sweep.png`` with L1
against the sync loss, between which the loss weights trade off.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from lipsync.errors import ConfigError, exit_on_error
from lipsync.failures import read_failures

MAIN = (
    "val/off_sync_accuracy",
    "val/auc",
    "val/l1_generated",
    "val/psnr_generated",
    "val/audio_sensitivity_db",
    "val/sync_generated",
    "val/discriminator_accuracy",
)
TRADE_OFF = ("val/l1_generated", "val/sync_generated")


@dataclass(frozen=True)
class Run:
    """One run of a sweep: folder, overrides, and metrics at its best validation."""

    path: Path
    overrides: dict[str, str]
    numbers: dict[str, float]


def read_sweep(folder: Path) -> list[Run]:
    """All runs below ``folder`` with at least one validation, sorted by name.

    Raises:
        ConfigError: there are none.
    """
    runs = []
    folders = [path for path in folder.glob("**/.hydra") if not path.parent.match("earlier-*")]
    for hydra in sorted(folders, key=lambda path: _number_first(path.parent)):
        numbers = _best_validation(hydra.parent, OmegaConf.load(hydra / "config.yaml"))
        if numbers:
            texts = OmegaConf.load(hydra / "overrides.yaml")
            pairs = (str(text).lstrip("+~").partition("=") for text in texts)
            overrides = {name: value for name, _, value in pairs}  # ~name has no value
            runs.append(Run(hydra.parent, overrides, numbers))
    if not runs:
        raise ConfigError(f"{folder}: contains no validated run; name the folder of a sweep")
    return runs


def table(runs: list[Run]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table: overrides that vary between runs, then the main metrics."""
    names = sorted({name for run in runs for name in run.overrides})
    varied = [n for n in names if len({run.overrides.get(n) for run in runs}) > 1]
    metrics = [name for name in MAIN if any(name in run.numbers for run in runs)]
    rows = [
        [run.path.name]
        + [run.overrides.get(name, "") for name in varied]
        + [f"{run.numbers[name]:.4f}" if name in run.numbers else "" for name in metrics]
        for run in runs
    ]
    return ["run", *varied, *metrics], rows


def write(folder: Path, runs: list[Run]) -> list[Path]:
    """Write tables and plot to ``folder``; returns the files."""
    heads, rows = table(runs)
    lines = [heads, ["---"] * len(heads), *rows]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    written = [folder / "sweep.md", folder / "sweep.csv"]
    written[0].write_text(text)
    with written[1].open("w", newline="") as file:
        numbers = sorted({name for run in runs for name in run.numbers})
        names = sorted({name for run in runs for name in run.overrides})
        out = csv.writer(file)
        out.writerow(["run", *names, *numbers])
        for run in runs:
            values = [run.overrides.get(n, "") for n in names]
            out.writerow([run.path.name, *values, *(run.numbers.get(n, "") for n in numbers)])
    if all(name in run.numbers for run in runs for name in TRADE_OFF):
        written.append(folder / "sweep.png")
        _plot(written[-1], runs, heads[1 : len(heads) - sum(h in MAIN for h in heads)])
    return written


def _plot(path: Path, runs: list[Run], varied: list[str]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    for run in runs:
        x, y = (run.numbers[name] for name in TRADE_OFF)
        axes.plot(x, y, "o")
        label = ", ".join(f"{n.rsplit('.', 1)[-1]} {run.overrides.get(n, '')}" for n in varied)
        axes.annotate(label, (x, y), textcoords="offset points", xytext=(5, 4), fontsize=8)
    axes.set(xlabel="L1 of the lower half", ylabel="sync loss", title="lower left is better")
    axes.grid(alpha=0.3)
    axes.margins(x=0.25)  # room for the labels
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _best_validation(folder: Path, config: OmegaConf) -> dict[str, float]:
    files = sorted(folder.glob("csv/version_*/metrics.csv"), key=_number_first)
    rows = []
    for file in files:
        with file.open(newline="") as text:
            rows += list(csv.DictReader(text))
    best = config.callbacks.best
    measured = [row for row in rows if row.get(best.monitor)]
    if not measured:
        return {}
    choose = min if best.mode == "min" else max
    row = choose(measured, key=lambda row: float(row[best.monitor]))
    return {k: float(v) for k, v in row.items() if k.startswith("val/") and v}


def _number_first(path: Path) -> tuple[int, str]:
    digits = "".join(c for c in path.name if c.isdigit())
    return (int(digits) if digits else -1, str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a sweep's folder, or any folder of runs")
    folder = parser.parse_args().folder
    with exit_on_error():
        runs = read_sweep(folder)
        written = write(folder, runs)
        print((folder / "sweep.md").read_text())
        for line in read_failures(folder / "failed"):
            print("failed:", line)
        print("written:", ", ".join(str(path) for path in written))


if __name__ == "__main__":
    main()
