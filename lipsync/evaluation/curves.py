"""The curves of a dub as a page: frames, spectrogram, and the mouth parameters over time."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from lipsync.audio import SAMPLE_RATE, melspectrogram
from lipsync.dubbing.curves import Curves, read_curves
from lipsync.errors import MediaError
from lipsync.evaluation.text import write_text
from lipsync.media import check_target, read_audio, read_frames
from lipsync.pages import data_uri, render
from lipsync.windows import MEL_RATE

_WIDTH = 14.0  # inches
_HEIGHT = 120  # pixels, of the frames in the strip
_LEAST, _MOST = 4, 16  # number of frames in the strip


def curves_page(curves: str | Path, video: str | Path, output: str | Path) -> Path:
    """Write a page that plots the mouth curves of a dub against its frames and sound.

    Args:
        curves: the file written by ``lipsync dub --curves``.
        video: the dub.
        output: the HTML file to write; it is self-contained.

    Raises:
        MediaError: a file that cannot be read, a video without sound or frames, or an output that
            is an input, or not an HTML file.
    """
    curves, video, output = Path(curves), Path(video), Path(output)
    check_target(output, curves, video)
    if output.suffix.lower() != ".html":
        raise MediaError(output, "is not an HTML file", "name one, such as curves.html")
    found, wave = read_curves(curves), read_audio(video)
    seconds = max(len(wave) / SAMPLE_RATE, float(found.seconds[-1]))
    picture = _plot(found, wave, _strip(video, seconds), seconds)
    page = render(
        "curves.html.j2",
        video=video.name,
        curves=curves.name,
        numbers=found.values.shape[1],
        seconds=seconds,
        plot=data_uri("image/png", picture),
    )
    return write_text(output, page)


def _strip(video: Path, seconds: float) -> np.ndarray:
    """Evenly spaced frames side by side, uint8 (H, W, 3), each from the middle of its interval."""
    pictures: list[np.ndarray] = []
    due = np.zeros(1)
    for at, frame in read_frames(video):
        if not pictures:  # as many as fit at this height
            width = max(1, round(_HEIGHT * frame.shape[1] / frame.shape[0]))
            many = int(np.clip(_WIDTH * 100 / width, _LEAST, _MOST))
            due = (np.arange(many) + 0.5) * seconds / many
        if at >= due[len(pictures)]:
            pictures.append(cv2.resize(frame, (width, _HEIGHT), interpolation=cv2.INTER_AREA))
            if len(pictures) == many:
                break
    if not pictures:
        raise MediaError(video, "contains no video", "use the dub that the curves were written for")
    blank = np.full_like(pictures[0], 255)
    return np.concatenate(pictures + [blank] * (len(due) - len(pictures)), axis=1)


def _plot(curves: Curves, wave: np.ndarray, strip: np.ndarray, seconds: float) -> bytes:
    """A PNG: the strip, the mel spectrogram and the curves on one time axis."""
    numbers = curves.values.shape[1]
    tall = _WIDTH * strip.shape[0] / strip.shape[1]
    figure = Figure(figsize=(_WIDTH, tall + 2.0 + 0.45 * numbers), layout="constrained")
    frames, sound, lines = figure.subplots(
        3, 1, sharex=True, height_ratios=[tall, 1.5, 0.45 * numbers]
    )
    frames.imshow(strip, extent=(0, seconds, 0, 1), aspect="auto")
    frames.set_yticks([])
    mel = melspectrogram(wave)
    extent = (0, mel.shape[1] / MEL_RATE, 0, len(mel))
    sound.imshow(mel, extent=extent, aspect="auto", origin="lower", cmap="magma")
    sound.set(ylabel="mel band", xlim=(0, seconds))
    step = 4.0  # standard deviations between the zero lines of two curves
    for row, values in enumerate(curves.values.T):
        lines.axhline(-step * row, color="#cccccc", linewidth=0.6)
        lines.plot(curves.seconds, values - step * row, linewidth=1.2)
    lines.set_yticks([-step * row for row in range(numbers)])
    lines.set_yticklabels([f"c{row + 1}" for row in range(numbers)])
    lines.set(xlabel="seconds", ylim=(-step * (numbers - 0.25), 0.75 * step))
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
    return file.getvalue()
