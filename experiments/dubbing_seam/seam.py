"""Is there a visible seam where a generated mouth meets the picture? Blending against hard paste.

    python experiments/dubbing_seam/seam.py                       # the generated corpus, a sheet
    python experiments/dubbing_seam/seam.py VIDEO... --model wav2lip-gan-grid  # other videos

Along lines of equal mask weight, from the edge inwards, the mean step in luma across the line is
divided by that of the original frame at the same places; `seam` is the largest ratio of all lines.
A hard paste (the lower half of the box, as most tools do it) is measured along its own edge. A
value of 1 is as smooth as the original.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from lipsync.dubbing import dub_frames
from lipsync.dubbing.seams import seam
from lipsync.faces.framing import covering_box, get_framing
from lipsync.media import VideoWriter, write_audio
from lipsync.sample.corpus import make_clip

EVERY = 5  # stride, in frames
BOX = get_framing("box")  # the framing of the bundled models
FORMS = ("blended", "no colour match", "hard paste")


def example(folder: Path, speaker: int) -> tuple[Path, Path]:
    """A generated head, and speech of another speaker."""
    clip = make_clip(seed=0, speaker=speaker, clip=0, seconds=2.0, size=384)
    face, audio = folder / f"head{speaker}.mp4", folder / f"speech{speaker}.wav"
    with VideoWriter(face, 25, (384, 384), crf=10) as video:
        for picture in clip.frames:
            video.write(picture)
    write_audio(audio, make_clip(seed=0, speaker=speaker + 1, clip=1, seconds=2.0, size=96).wave)
    return face, audio


def hard_paste(frame: np.ndarray, face: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Paste the lower half of a generated face (S, S, 3) in [0, 1] into its box, without a mask."""
    x0, y0, x1, y1 = box
    size, (height, width) = face.shape[0], frame.shape[:2]
    scale = np.array([size / (x1 - x0), size / (y1 - y0)])
    matrix = np.array([[scale[0], 0, (0.5 - x0) * scale[0] - 0.5],
                       [0, scale[1], (0.5 - y0) * scale[1] - 0.5]])  # fmt: skip
    whole = cv2.warpAffine(
        np.rint(face * 255).astype(np.uint8), matrix, (width, height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
    )  # fmt: skip
    out = frame.copy()
    left, right = (max(0, int(np.ceil(side - 0.5))) for side in (x0, x1))
    top, bottom = (max(0, int(np.ceil(side - 0.5))) for side in ((y0 + y1) / 2, y1))
    out[top:bottom, left:right] = whole[top:bottom, left:right]
    return out


def compare(face: Path, audio: Path, model: str) -> tuple[dict[str, list[float]], np.ndarray]:
    """Seams of each form in every fifth frame, and a column of pictures."""
    found: dict[str, list[float]] = {form: [] for form in FORMS}
    raw: list[np.ndarray] = []

    def recorded(faces: np.ndarray) -> np.ndarray:
        raw.extend(faces)
        return faces

    matched = dub_frames(face, audio, model=model)
    unmatched = dub_frames(face, audio, model=model, match=False, enhance=recorded)
    shown: list[np.ndarray] = []
    generated = 0
    for blended, plain in zip(matched, unmatched, strict=True):
        if not blended.dubbed:
            continue
        made, generated = raw[generated], generated + 1
        if blended.number % EVERY:
            continue
        hard = hard_paste(blended.original, made, covering_box(blended.transforms[0]))
        pictures = dict(zip(FORMS, (blended.picture, plain.picture, hard), strict=True))
        for form, picture in pictures.items():
            along = "box" if form == "hard paste" else "mask"
            mask = BOX.mask
            found[form].append(seam(blended.original, picture, blended.transforms[0], mask, along))
        if not shown or blended.number == 4 * EVERY:
            every = [blended.original, *pictures.values()]
            shown = [BOX.cut(picture, blended.transforms[0], 220) for picture in every]
    return found, np.concatenate(shown, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path, help="videos to dub with their own sound")
    parser.add_argument("--model", default="wav2lip-gan-grid")
    parser.add_argument("--heads", type=int, default=4, help="heads of the generated corpus")
    parser.add_argument("--sheet", type=Path, help="output picture (default: beside this file)")
    options = parser.parse_args()
    torch.set_num_threads(1)  # one batch at a time, so faces are recorded in order
    with tempfile.TemporaryDirectory() as folder:
        inputs = [(video, video) for video in options.videos]
        inputs = inputs or [example(Path(folder), speaker) for speaker in range(options.heads)]
        columns = []
        everything: dict[str, list[float]] = {form: [] for form in FORMS}
        for face, audio in inputs:
            found, shown = compare(face, audio, options.model)
            columns.append(shown)
            for form, values in found.items():
                everything[form] += values
            medians = ", ".join(f"{f} {statistics.median(v):.2f}" for f, v in found.items())
            print(f"{face.name}: {medians}", flush=True)
    print("\n| form | seam, median | 95th percentile |\n| --- | ---: | ---: |")
    for form, values in everything.items():
        print(f"| {form} | {np.median(values):.2f} | {np.percentile(values, 95):.2f} |")
    sheet = options.sheet
    if sheet is None and not options.videos:
        sheet = Path(__file__).with_name("sheet.jpg")
    if sheet is not None:
        picture = np.concatenate(columns, axis=1)[..., ::-1]
        cv2.imwrite(str(sheet), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
