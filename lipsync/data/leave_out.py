"""Leave-speakers-out splits of a set."""

from __future__ import annotations

from collections.abc import Sequence

from lipsync.data.clips import Clip
from lipsync.data.datasets import Reader
from lipsync.data.store import SPLITS
from lipsync.errors import ConfigError


class WithoutSpeakers:
    """A reader that holds speakers out of ``train`` and ``val``; ``test`` is all of their clips.

    Args:
        reader: reader of the whole set, with keys ``speaker/clip``.
        speakers: held-out speakers.

    Raises:
        ConfigError: a speaker that is not in the set.
    """

    def __init__(self, reader: Reader, speakers: Sequence[str]) -> None:
        self.reader, self.speakers = reader, set(speakers)
        there = {speaker_of(key) for split in SPLITS for key in reader.keys(split)}
        if missing := sorted(self.speakers - there):
            raise ConfigError(
                f"data.leave_out={missing[0]}: {reader} has no such speaker; its speakers: "
                f"{', '.join(sorted(there))}"
            )

    def keys(self, split: str) -> list[str]:
        """Keys of a split.

        Raises:
            ConfigError: no clip is left.
        """
        if split == "test":
            every = [key for each in SPLITS for key in self.reader.keys(each)]
            return [key for key in every if speaker_of(key) in self.speakers]
        left = [key for key in self.reader.keys(split) if speaker_of(key) not in self.speakers]
        if not left:
            raise ConfigError(
                f"data.leave_out={','.join(sorted(self.speakers))}: no other speaker is in the "
                "split "
                f"{split} of {self.reader}; leave out fewer speakers"
            )
        return left

    def open(self, key: str) -> Clip:
        """Open a clip."""
        return self.reader.open(key)


def speaker_of(key: str) -> str:
    return key.split("/", maxsplit=1)[0]
