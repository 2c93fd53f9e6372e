"""Which faces speak, with what audio, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lipsync.dubbing.speakers import SYNC, checked_face
from lipsync.errors import ConfigError


@dataclass(frozen=True)
class Part:
    """One person's speech in a video.

    Attributes:
        name: name of the person, for the result.
        sound: a file with this voice alone, in sync with the video.
        turns: (start, end, face): time ranges in seconds in which the person is dubbed, and their
            face in each, see :func:`lipsync.dubbing.speakers.checked_face`.
    """

    name: str
    sound: Path
    turns: tuple[tuple[float, float, str], ...]

    def face(self, seconds: float) -> str | None:
        """The person's face at a time; None outside their turns."""
        return next((face for start, end, face in self.turns if start <= seconds < end), None)


@dataclass(frozen=True)
class Parts:
    """Several people who speak in turn; frames without any of them pass unchanged."""

    parts: tuple[Part, ...]


Faces = str | int | dict | Parts
"""One face; a mapping of faces to audio files; or the parts of several people."""


def check_faces(faces: Faces) -> None:
    """Check that faces are distinct, and each has audio.

    Raises:
        ConfigError: names the face.
    """
    if isinstance(faces, Parts):
        return
    if isinstance(faces, dict):
        if not faces:
            raise ConfigError("faces is empty; write e.g. left: a.wav, or leave it out")
        for face, sound in faces.items():
            if not isinstance(sound, str | Path):
                raise ConfigError(f"face {face} has no sound, got {sound!r}; name a file")
    rules = face_names(faces)
    for rule in rules:
        if rules.count(rule) > 1:
            raise ConfigError(f"face {rule} is given twice; give each face once")
    if SYNC in rules and len(rules) > 1:
        raise ConfigError(
            f"face {SYNC} finds one speaker; with several faces use positions or numbers"
        )


def face_names(faces: Faces) -> tuple[str, ...]:
    """Names of the faces, or of the people.

    Raises:
        ConfigError: an invalid face.
    """
    if isinstance(faces, Parts):
        return tuple(part.name for part in faces.parts)
    return tuple(map(checked_face, faces if isinstance(faces, dict) else [faces]))


def face_sounds(faces: Faces) -> tuple[Path, ...]:
    """Audio file of each face; empty if there is one for all."""
    if isinstance(faces, Parts):
        return tuple(part.sound for part in faces.parts)
    return tuple(map(Path, faces.values())) if isinstance(faces, dict) else ()


def speaking_faces(faces: Faces) -> Callable[[float], tuple[str | None, ...]]:
    """A function from time in seconds to the faces that speak."""
    if isinstance(faces, Parts):
        parts = faces.parts
        return lambda seconds: tuple(part.face(seconds) for part in parts)
    rules = face_names(faces)
    return lambda _: rules
