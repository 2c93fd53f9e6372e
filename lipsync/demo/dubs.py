"""The jobs of the Dub and Compare tabs: dubs of a face by one or two models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipsync.demo.inputs import inspect_upload
from lipsync.demo.jobs import Report
from lipsync.demo.messages import Refusal
from lipsync.demo.voices import speak_to_file
from lipsync.dubbing import dub
from lipsync.dubbing.result import DubResult

FACES = ("largest", "left", "right")
_MARK = "AI-generated"


@dataclass(frozen=True)
class DubRequest:
    """A requested dub.

    Attributes:
        face: a video or image.
        sound: a sound file; with ``text``, the file to write its speech to.
        models: generators, by name or path; each makes one video.
        new_path: returns a new file name for a video.
        which: the face to dub, see :class:`lipsync.dubbing.options.Options`.
        watermark: mark the video visibly as generated.
        text: a text and its language code, spoken instead of a sound.
        device: device of the networks.
        max_seconds: maximum duration of a spoken text.
    """

    face: Path
    sound: Path
    models: dict[str, str]
    new_path: Callable[[], Path]
    which: str = FACES[0]
    watermark: bool = True
    text: tuple[str, str] | None = None
    device: str = "cpu"
    max_seconds: float = 60.0

    def run(self, report: Report) -> dict[str, tuple[Path, dict[str, Any]]]:
        """Dub with every model: name -> the video and its details.

        Raises:
            LipsyncError: as :func:`lipsync.dubbing.dub`.
            Refusal: the spoken text is too long.
        """
        videos: dict[str, tuple[Path, dict[str, Any]]] = {}
        try:
            if self.text is not None:
                report("speaking the text", 0, None)
                speak_to_file(*self.text, self.sound, self.device)
                inspect_upload(self.sound, "sound", self.max_seconds)
            for number, name in enumerate(self.models):
                stage = f"dubbing with {name}"
                if len(self.models) > 1:
                    stage += f" ({number + 1} of {len(self.models)})"
                videos[name] = self._dub(name, stage, report)
        except BaseException:
            for path, _ in videos.values():
                path.unlink(missing_ok=True)
            raise
        finally:
            if self.text is not None:
                self.sound.unlink(missing_ok=True)
        return videos

    def _dub(self, name: str, stage: str, report: Report) -> tuple[Path, dict[str, Any]]:
        report(stage, 0, None)
        frames_done = 0

        def progress(_: str, done: int, total: int | None) -> None:
            nonlocal frames_done
            frames_done = done
            report(stage, done, total)

        path = self.new_path()
        result = dub(
            self.face,
            self.sound,
            path,
            progress=progress,
            model=self.models[name],
            device=self.device,
            faces=self.which,
            watermark=_MARK if self.watermark else None,
            audio_codec="aac",  # supported by every browser
        )
        report(stage, frames_done, frames_done)
        return path, about_dub(result)


def about_dub(result: DubResult) -> dict[str, Any]:
    """Details of a dub for the page."""
    return {
        "seconds": round(result.seconds, 2),
        "frames": result.frames,
        "fps": round(float(result.fps), 3),
        "faces": result.faces_found,
        "silent": result.silent,
        "took": round(result.wall_seconds, 1),
    }


def check_face(face: object) -> str:
    """Raise Refusal unless this is a valid choice of face."""
    if face not in FACES:
        raise Refusal(f"The face must be one of {', '.join(FACES)}.")
    return str(face)
