"""eSpeak NG: a formant voice in a hundred languages, offline. GPL, run as a separate program.

Uses the system's program if there is one, else the library in the wheel ``espeakng-loader``, in a
separate process.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lipsync.errors import StageError, install_extra
from lipsync.languages import language as look_up
from lipsync.translation.engines.base import Engine

RATE = 22_050
_LIBRARY = Path(__file__).with_name("espeak_library.py")


def program() -> list[str] | None:
    """The command that speaks, without its arguments; ``None`` if there is none."""
    found = shutil.which("espeak-ng")
    if found:
        return [found]
    if find_spec("espeakng_loader"):
        return [sys.executable, "-I", str(_LIBRARY)]
    return None


class Espeak(Engine):
    """Speech by eSpeak NG; ``model`` is one of its voices (``es-419``, ``hi+f3``)."""

    stage, kind = "speak", "espeak"
    get = f"apt install espeak-ng, or {install_extra('translate-gpl')}"
    about = "100 languages, robotic, offline; GPL, a separate program"

    def __init__(self, model: str = "", device: str = "cpu") -> None:
        self._voice = model
        self.name = f"espeak:{model}"

    @classmethod
    def missing(cls) -> str:
        return "" if program() else cls.get

    @classmethod
    def automatic(cls, source: str | None, target: str, fetch: bool) -> str | None:
        return ""

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        """One line; see :class:`~lipsync.translation.engines.base.Speaker`."""
        from lipsync.media import read_audio

        command = program()
        if command is None:
            raise StageError("speak", "eSpeak NG is not installed", "apt install espeak-ng")
        voice = self._voice or look_up(language).code
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "line.wav"
            # the text goes through stdin, so that it cannot be taken for an option
            arguments = ["-b", "1", "-v", voice, "-w", str(wav), "--stdin"]
            try:
                done = subprocess.run(
                    [*command, *arguments], input=text.encode(), capture_output=True, timeout=120
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise StageError("speak", f"eSpeak NG failed ({error})", "reinstall it") from None
            if done.returncode or not wav.exists():
                reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["?"])[-1]
                raise StageError(
                    "speak",
                    f"eSpeak NG cannot speak with voice '{voice}' ({reason})",
                    "use another --tts; espeak-ng --voices lists what it has",
                )
            return read_audio(wav, RATE), RATE
