"""How far do the pictures and sound of serve.py lag behind the microphone? A local client.

It starts the server with a generated face, and says the same generated word every two seconds. It
measures when the mouth is half open, averaged over the words, and when the word's sound comes back.
After half of the time, a second client connects in place of the first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
from aiortc import (
    MediaStreamError,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from av import AudioFrame
from PIL import Image

from lipsync.audio import SAMPLE_RATE
from lipsync.dubbing import DEFAULT_MODEL
from lipsync.sample.corpus import make_clip
from lipsync.sample.speech import Voice, speak

WORD, EVERY = 0.4, 2.0  # duration of a word, and time between words, in seconds
LONGEST = 1.5  # longest delay to look for, in seconds
BLOCK = SAMPLE_RATE // 50
Arrivals = list[tuple[float, np.ndarray]]
"""Arrival time (monotonic clock) and content of each picture or block of sound."""
Level = Callable[[np.ndarray, np.ndarray], float]


class Microphone(MediaStreamTrack):
    """Sends words like a microphone, in real time and in blocks of 20 ms."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.begun, self._sent = 0.0, 0
        said, long = speak(np.random.default_rng(5), Voice(), 3.0).wave, round(WORD * SAMPLE_RATE)
        at = max(range(0, len(said) - long, BLOCK), key=lambda at: np.abs(said[at:][:long]).sum())
        word = said[at:][:long]
        noise = np.random.default_rng(0).standard_normal(round(EVERY * SAMPLE_RATE))
        self._wave = 1e-4 * noise
        self._wave[-len(word) :] += word

    async def recv(self) -> AudioFrame:
        self.begun = self.begun or time.monotonic()
        over = self.begun + (self._sent + BLOCK) / SAMPLE_RATE
        await asyncio.sleep(max(0.0, over - time.monotonic()))
        piece = self._wave[self._sent % len(self._wave) :][:BLOCK]
        whole = (32767 * piece).astype(np.int16)[None]
        frame = AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        frame.pts, self._sent = self._sent, self._sent + BLOCK
        return frame

    def words(self) -> list[float]:
        """Start times of the words (monotonic clock) that had enough time for an answer."""
        starts = np.arange(EVERY - WORD, self._sent / SAMPLE_RATE - LONGEST, EVERY)
        return [self.begun + float(start) for start in starts]


async def talk(
    answer: Callable[[dict[str, str]], Awaitable[dict[str, str]]],
    enough: Callable[[dict[str, Arrivals]], bool],
) -> tuple[list[float], Arrivals, Arrivals]:
    """Connect, speak and disconnect; returns start times of words, pictures, and sound."""
    peer, microphone = RTCPeerConnection(RTCConfiguration(iceServers=[])), Microphone()
    came: dict[str, Arrivals] = {"video": [], "audio": []}
    tasks = []

    async def keep(track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                shown = {"format": "gray"} if track.kind == "video" else {}
                came[track.kind].append((time.monotonic(), frame.to_ndarray(**shown)))

    peer.on("track", lambda track: tasks.append(asyncio.create_task(keep(track))))
    peer.addTrack(microphone)
    peer.addTransceiver("video", direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    offer = {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}
    offer["client"] = microphone.id
    await peer.setRemoteDescription(RTCSessionDescription(**await answer(offer)))
    while not enough(came):
        await asyncio.sleep(0.1)
    await peer.close()
    await asyncio.gather(*tasks)
    return microphone.words(), came["video"], came["audio"]


def delay(words: list[float], came: Arrivals, level: Level) -> float:
    """Seconds from the start of a word until a level, averaged over words, has risen half-way.

    Args:
        level: of a picture or a block of sound, given also the one at the start of the word.
    """
    clock = np.arange(0, LONGEST, 0.005)
    courses = []
    for begun in words:
        first = max(k for k, (when, _) in enumerate(came) if when < begun)
        near = [(when, piece) for when, piece in came[first:] if when < begun + LONGEST]
        levels = np.array([level(piece, near[0][1]) for _, piece in near])
        shown = np.searchsorted([when - begun for when, _ in near], clock, "right") - 1
        courses.append(levels[shown])
    course = np.mean(courses, axis=0)
    return float(clock[np.argmax(course > (course[0] + course.max()) / 2)])


def moved(picture: np.ndarray, rest: np.ndarray) -> float:
    """Difference between two pictures where it is largest, at the mouth."""
    return float(np.sort(np.abs(picture.astype(np.float32) - rest), axis=None)[-200:].mean())


def loud(wave: np.ndarray, _: np.ndarray) -> float:
    return float(np.sqrt((wave.astype(np.float32) ** 2).mean()))


async def measured(address: str, seconds: float) -> None:
    def asked(offer: dict[str, str]) -> dict[str, str]:
        with urlopen(Request(f"{address}/offer", json.dumps(offer).encode())) as reply:
            return json.load(reply)

    async def answer(offer: dict[str, str]) -> dict[str, str]:
        return await asyncio.to_thread(asked, offer)

    for _ in range(2):
        until = time.monotonic() + seconds / 2
        words, pictures, sound = await talk(answer, lambda _, until=until: time.monotonic() > until)
        lasted = pictures[-1][0] - pictures[0][0]
        ready = max(pictures[0][0], sound[0][0], words[0])  # both streams have started
        words = [begun for begun in words if begun > ready]
        mouth, voice = delay(words, pictures, moved), delay(words, sound, loud)
        print(
            f"{len(pictures)} pictures in {lasted:.1f} s; of {len(words)} words the mouth opens "
            f"after {1000 * mouth:.0f} ms, the sound comes after {1000 * voice:.0f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        face = Path(folder) / "face.png"
        Image.fromarray(next(make_clip(0, 0, 0, 1.0, 320).frames)).save(face)
        script = str(Path(__file__).with_name("serve.py"))
        command = [sys.executable, script, str(face), "--model", args.model, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                said = server.stdout.readline().split()
                if not said:  # the reason is on stderr
                    sys.exit(server.wait())
                asyncio.run(measured(said[1], args.seconds))
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
