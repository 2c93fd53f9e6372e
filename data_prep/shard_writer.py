"""Write a shard: a tar file of clips, and the offsets of its members for the index."""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile

from lipsync.audio import SAMPLE_RATE
from lipsync.data.clips import Clip
from lipsync.data.shard_index import Member

SAMPLING = 0x111111  # 4:4:4, no chroma subsampling, as mouths are small


def encode_pictures(faces: Iterable[np.ndarray], quality: int) -> list[bytes]:
    """Encode RGB uint8 (S, S, 3) pictures as JPEGs of a quality from 1 to 100."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING]
    pictures = (cv2.cvtColor(np.asarray(face), cv2.COLOR_RGB2BGR) for face in faces)
    return [cv2.imencode(".jpg", picture, options)[1].tobytes() for picture in pictures]


def clip_members(clip: Clip, quality: int) -> dict[str, bytes]:
    """Contents of a clip's files by kind (the part of the name after the key), in shard order.

    Raises:
        ClipError: the clip is damaged.
    """
    pictures = encode_pictures(clip.faces, quality)
    ends = np.stack(
        [np.cumsum([len(p) for p in pictures]), [zlib.crc32(p) for p in pictures]], axis=1
    )
    arrays: dict[str, np.ndarray | None] = {file: clip.array(file) for file in clip.files}
    return {
        "json": json.dumps(clip.info, ensure_ascii=False).encode(),
        "flac": _flac(clip.wave),
        **{file: _npy(values) for file, values in arrays.items() if values is not None},
        "ends.npy": _npy(ends.astype(np.uint32)),
        "mjpeg": b"".join(pictures),
    }


class ShardWriter:
    """Write a shard; use it in a ``with`` block, which closes the file.

    The output is deterministic: the same clips give the same bytes.

    Attributes:
        clips: the clips added so far, for :meth:`lipsync.data.shard_index.Index.of_shard`.
    """

    def __init__(self, path: Path) -> None:
        self.clips: list[dict[str, Any]] = []
        self._tar = tarfile.open(path, "w")  # noqa: SIM115

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *raised: object) -> None:
        self._tar.close()

    def add(self, clip: Clip, members: dict[str, bytes]) -> None:
        """Add a clip; ``members`` are from :func:`clip_members`."""
        begin, placed = self._tar.offset, {}
        folder, _, name = clip.key.rpartition("/")
        # WebDataset ends the key at the first dot
        stem = f"{folder}/{name.replace('.', '%2E')}"
        for kind, data in members.items():
            info = tarfile.TarInfo(f"{stem}.{kind}")
            info.size = len(data)
            self._tar.addfile(info, io.BytesIO(data))
            first = self._tar.offset - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            placed[kind] = Member(first - begin, len(data), zlib.crc32(data))
        self.clips.append(
            {
                "key": clip.key,
                "begin": begin,
                "length": self._tar.offset - begin,
                "frames": len(clip),
                "size": clip.size,
                "members": placed,
            }
        )


def _npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _flac(wave: np.ndarray) -> bytes:
    """Encode float32 (samples,) in [-1, 1] as 16-bit FLAC; lossless for 16-bit audio."""
    file = io.BytesIO()
    samples = np.clip(np.round(wave * 32768), -32768, 32767).astype(np.int16)
    soundfile.write(file, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()
