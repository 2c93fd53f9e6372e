"""A face in the browser that speaks what the microphone hears: sound in, video and sound out.

The transport is WebRTC. The sound is sent back with the pictures, so the two are in sync however
late they are. One person speaks at a time: whoever connects replaces the previous user. The face is
kept between connections.
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
MOST_LATE = 5  # queued pictures; older ones are dropped, sound never is
log = logging.getLogger("live")


class Outgoing(MediaStreamTrack):
    """A track whose pictures or sound are sent as soon as they are made."""

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
    """A session, and the client that is connected to it."""

    def __init__(self, session: LiveSession) -> None:
        self.session = session
        self._thread = ThreadPoolExecutor(1, "live")
        self._peer: RTCPeerConnection | None = None
        self._talk: asyncio.Task | None = None
        self._client, self._displaced = "", {""}

    async def answer(self, offer: dict[str, str]) -> dict[str, str]:
        """Connect a client that sends sound.

        Args:
            offer: a session description (``type`` and ``sdp``), and ``client``, an arbitrary name
                that stays the same when a client reconnects.

        Returns:
            The session description of the answer.

        Raises:
            ValueError: the offer is invalid, or offers no sound.
            PermissionError: another client has replaced this one.
        """
        if offer["client"] in self._displaced:
            raise PermissionError("somebody else speaks now")
        # no STUN or TURN servers: both ends are in the same network
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
        except Exception as error:  # aiortc has no exception type for invalid offers
            await peer.close()
            raise ValueError("no offer that sends sound") from error
        await self.close()
        if self._client != offer["client"]:
            self._displaced.add(self._client)
        self._peer, self._client = peer, offer["client"]
        self._talk = asyncio.create_task(self._speak(peer, heard, picture, sound))
        return {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}

    async def close(self) -> None:
        """Disconnect the client, if there is one."""
        if self._peer is not None:
            await self._peer.close()
            self._talk.cancel()  # a task that waits for sound does not end by itself
            await asyncio.wait([self._talk])
            self._peer = None

    async def _speak(
        self, peer: RTCPeerConnection, heard: MediaStreamTrack, picture: Outgoing, sound: Outgoing
    ) -> None:
        """Process sound until it ends; incoming sound waits while pictures are generated."""
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
    """What one client says, from the start of its connection."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        session.restart()
        self._mono = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._wave, self._said = np.zeros(0, np.float32), 0  # unsent sound; samples sent
        self.pictures, self.seconds = 0, 0.0

    def hear(self, frame: AudioFrame) -> list[VideoFrame | AudioFrame]:
        """Pictures completed by a block of sound, each followed by its own sound."""
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
        """The sound up to a time, in blocks of 20 ms, which the encoder takes one at a time."""
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
    """The page, and the endpoint for its offer."""
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
    parser.add_argument("face", type=Path, help="short video or picture")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or path of a generator")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=7861, help="port to listen on; 0 for any free one"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    log.setLevel(logging.INFO)
    with exit_on_error(), listen(args.host, args.port) as listening:
        live = Live(LiveSession(args.face, model=args.model))
        listening.listen()  # from now on, requests are queued
        print(f"live: {url(args.host, listening.getsockname()[1])}", flush=True)
        config = uvicorn.Config(app(live, args.host), log_level="warning", access_log=False)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
