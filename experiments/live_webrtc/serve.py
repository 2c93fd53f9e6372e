"""A face that says what a microphone hears, in a browser: sound in, picture and sound out (WebRTC).

The sound comes back with its pictures, so that both are in sync however late they are. One person
speaks at a time; who connects takes the place of who was there, and the face is kept between them.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from aiortc import (
    MediaStreamError,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from av import AudioFrame, AudioResampler, VideoFrame
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from lipsync.audio import SAMPLE_RATE
from lipsync.demo.guard import Guard
from lipsync.demo.server import listen, url
from lipsync.dubbing import DEFAULT_MODEL, LiveSession
from lipsync.errors import exit_on_error

BLOCK = SAMPLE_RATE // 50
MOST_LATE = 5  # pictures that wait for the encoder; older ones are dropped, sound never is
log = logging.getLogger("live")


class Outgoing(MediaStreamTrack):
    """Pictures or sound, sent as they come."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._waiting: asyncio.Queue = asyncio.Queue()

    def put(self, frame: VideoFrame | AudioFrame) -> None:
        if self.kind == "video" and self._waiting.qsize() == MOST_LATE:
            self._waiting.get_nowait()
        self._waiting.put_nowait(frame)

    async def recv(self) -> VideoFrame | AudioFrame:
        return await self._waiting.get()


class Live:
    """A session, and who speaks to it."""

    def __init__(self, session: LiveSession) -> None:
        self.session = session
        self._thread = ThreadPoolExecutor(1, "live")
        self._peer: RTCPeerConnection | None = None
        self._talk: asyncio.Task | None = None
        self._client, self._displaced = "", {""}

    async def answer(self, offer: dict[str, str]) -> dict[str, str]:
        """Connect somebody who sends sound.

        Args:
            offer: a session description, its ``type`` and ``sdp``, and the ``client``, any name,
                the same where it connects again. The answer is another description.

        Raises:
            ValueError: it is none, or offers no sound.
            PermissionError: another client has taken this one's place.
        """
        if offer["client"] in self._displaced:
            raise PermissionError("somebody else speaks now")
        # without servers of others: both ends are in one network
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        tracks: list[MediaStreamTrack] = []
        peer.on("track", tracks.append)
        try:
            await peer.setRemoteDescription(RTCSessionDescription(offer["sdp"], offer["type"]))
            heard = next(track for track in tracks if track.kind == "audio")
            picture, sound = Outgoing("video"), Outgoing("audio")
            peer.addTrack(picture)
            peer.addTrack(sound)
            await peer.setLocalDescription(await peer.createAnswer())
        except Exception as error:  # the library has no error of its own for what it cannot read
            await peer.close()
            raise ValueError("no offer that sends sound") from error
        await self.close()
        if self._client != offer["client"]:
            self._displaced.add(self._client)
        self._peer, self._client = peer, offer["client"]
        self._talk = asyncio.create_task(self._speak(peer, heard, picture, sound))
        return {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}

    async def close(self) -> None:
        """Part from who is connected."""
        if self._peer is not None:
            await self._peer.close()
            self._talk.cancel()  # sound that never came does not end by itself
            await asyncio.wait([self._talk])
            self._peer = None

    async def _speak(
        self, peer: RTCPeerConnection, heard: MediaStreamTrack, picture: Outgoing, sound: Outgoing
    ) -> None:
        """From the first sound until it ends; the sound waits while pictures are made."""
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._thread)
        talk = await in_thread(Talk, self.session)
        try:
            while True:
                frame = await heard.recv()
                for made in await in_thread(talk.hear, frame):
                    (picture if isinstance(made, VideoFrame) else sound).put(made)
        except MediaStreamError:
            pass
        finally:
            log.info("%s", talk)
            await peer.close()


class Talk:
    """What one person says, from the begin."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        session.restart()
        self._mono = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._wave, self._said = np.zeros(0, np.float32), 0  # not said yet; samples before it
        self.pictures, self.seconds = 0, 0.0

    def hear(self, frame: AudioFrame) -> list[VideoFrame | AudioFrame]:
        """The pictures that a piece of sound completes, each followed by its own sound."""
        begun = time.perf_counter()
        pieces = [piece.to_ndarray()[0] for piece in self._mono.resample(frame)]
        self._wave = np.concatenate([self._wave, *pieces])
        made: list[VideoFrame | AudioFrame] = []
        for dubbed in (dubbed for piece in pieces for dubbed in self._session.push(piece)):
            picture = VideoFrame.from_ndarray(dubbed.picture, format="rgb24")
            picture.pts = round(90_000 * dubbed.number / self._session.fps)
            picture.time_base = Fraction(1, 90_000)
            made += [picture, *self._sound((dubbed.number + 1) / self._session.fps)]
            self.pictures += 1
        self.seconds += time.perf_counter() - begun
        return made

    def _sound(self, until: float) -> Iterator[AudioFrame]:
        """What was heard, in the pieces of 20 ms that the encoder takes one by one."""
        while self._said + BLOCK <= until * SAMPLE_RATE:
            wave, self._wave = self._wave[:BLOCK], self._wave[BLOCK:]
            whole = (32767 * wave.clip(-1, 1)).astype(np.int16)[None]
            frame = AudioFrame.from_ndarray(whole, format="s16", layout="mono")
            frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            frame.pts, self._said = self._said, self._said + BLOCK
            yield frame

    def __str__(self) -> str:
        each = 1000 * self.seconds / max(self.pictures, 1)
        return f"{self.pictures} pictures, {each:.0f} ms each of {1000 / self._session.fps:.0f}"


def app(live: Live, host: str) -> Starlette:
    """The page, and where it sends its offer."""
    here = Path(__file__).parent

    async def offer(request: Request) -> Response:
        try:
            return JSONResponse(await live.answer(await request.json()))
        except PermissionError as error:
            return JSONResponse({"error": str(error)}, 409)
        except (ValueError, TypeError, KeyError):
            return JSONResponse({"error": "no offer of WebRTC that sends sound"}, 400)

    @asynccontextmanager
    async def lifespan(_: Any):
        yield
        await live.close()

    return Starlette(
        routes=[
            Route("/", lambda _: FileResponse(here / "page.html")),
            Route("/page.js", lambda _: FileResponse(here / "page.js")),
            Route("/offer", offer, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, host=host)],
        lifespan=lifespan,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("face", type=Path, help="a short video or a picture")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a generator, by name or path")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    parser.add_argument("--port", type=int, default=7861, help="0 for any free one")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    log.setLevel(logging.INFO)
    with exit_on_error(), listen(args.host, args.port) as listening:
        live = Live(LiveSession(args.face, model=args.model))
        listening.listen()  # requests wait from now on
        print(f"live: {url(args.host, listening.getsockname()[1])}", flush=True)
        config = uvicorn.Config(app(live, args.host), log_level="warning", access_log=False)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
