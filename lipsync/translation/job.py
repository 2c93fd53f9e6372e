"""One video to be translated into one language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from lipsync.errors import ConfigError, StageError
from lipsync.media import frame_times, probe, read_audio
from lipsync.media.files import naming_target
from lipsync.media.streams import USUAL
from lipsync.translation import mixing
from lipsync.translation.engines import Choice, choose
from lipsync.translation.options import Options
from lipsync.translation.segments import Transcript
from lipsync.translation.work import digest, file_digest, load, save

Report = Callable[[int, int], None]
"""Called with the work done in a stage, and the total."""


@dataclass
class TranslationJob:
    """The video, the options, and the notes for the user."""

    video: Path
    work: Path
    options: Options
    notes: list[str] = field(default_factory=list)
    video_digest: str = ""

    @property
    def folder(self) -> Path:
        """The folder of everything that depends on the target language; the transcript does not."""
        return self.work / self.options.to

    @property
    def tracks(self) -> Path:
        """The file of the video's face tracks, saved for the dub."""
        number = self.options.video_stream
        name = "tracks.json" if number is None else f"tracks-{number}.json"
        return Path(self.options.dub.get("tracks", self.work / name))

    def check_source(self) -> None:
        """Claim the work folder for this video, or check that it already belongs to it."""
        own, streams = file_digest(self.video), self.options.streams
        self.video_digest = own if streams == USUAL else digest(own, streams.video, streams.audio)
        path = self.work / "source.json"
        if path.exists():
            if load(path, "videos")["videos"] != [{"sha256": own}]:
                raise ConfigError(
                    f"{self.work} holds another video's translation; choose another folder with "
                    "--work, or delete its source.json to use it anyway"
                )
        else:
            with naming_target(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            save(path, {"file": self.video.name}, "videos", [{"sha256": own}])

    def engine(self, stage: str, choice: Any, source: str | None) -> Choice:
        """The engine of a stage, not loaded yet; an unavailable one raises when loaded."""
        try:
            return choose(stage, choice, source, self.options.to, self.options.device)
        except StageError as error:
            reason = error  # no matter if all its results exist already

        def refuse() -> NoReturn:
            raise reason

        return Choice(None, refuse)

    def original(self, transcript: Transcript) -> list[np.ndarray]:
        """Each original line, at the rate of the new sound."""
        wave = self.sound()
        cuts = [(s.start, s.end) for s in transcript.segments]
        return [wave[round(a * mixing.RATE) : round(b * mixing.RATE)] for a, b in cuts]

    def sound(self) -> np.ndarray:
        """The video's sound, float32 (n,), at the rate of the new sound."""
        return read_audio(self.video, mixing.RATE, streams=self.options.streams)

    def seconds(self) -> float:
        """Length of the new sound: that of the video, so that no frame is lost."""
        info = probe(self.video, self.options.streams)
        if info.video_seconds:
            return info.video_seconds
        # a live recording, whose header was written before its duration was known
        times = frame_times(self.video, streams=self.options.streams)
        if len(times):
            shown = times[-1] - times[0]
            last = shown / (len(times) - 1) if len(times) > 1 else 1 / info.fps
            return float(shown + last)
        return len(self.sound()) / mixing.RATE
