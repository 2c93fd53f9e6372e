"""Runs the demo's server: listens, opens the page, and cleans up afterwards."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import webbrowser
from contextlib import suppress

import uvicorn

from lipsync.demo.app import Demo
from lipsync.demo.settings import Settings
from lipsync.errors import ConfigError


def serve(settings: Settings) -> None:
    """Run the demo until Ctrl-C.

    Raises:
        ConfigError: the server cannot listen on the address, or an invalid folder.
        CheckpointError: a model that cannot be loaded.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    listening = listen(settings.host, settings.port)
    with listening:
        demo = Demo(settings)
        address = url(settings.host, listening.getsockname()[1])
        server = make_server(demo, address, settings.browser)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def make_server(demo: Demo, address: str, browser: bool) -> uvicorn.Server:
    """A server that announces on stdout that it is up, and optionally opens the page."""

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(f"lipsync demo: {address} (stop with Ctrl-C)", flush=True)
            if browser and _has_screen():
                threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    return Server(
        uvicorn.Config(
            demo.app(),
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
    )


def _has_screen() -> bool:
    """Whether a browser can open a window; a terminal browser cannot show the page."""
    given = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or bool(given)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the port is taken, or the address does not belong to this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
        except OSError:
            found.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"--host {host} --port {port}: cannot listen there ({reason}); choose another "
            "--port, or 0 for any free one"
        ) from None
    return found


def url(host: str, port: int) -> str:
    """The URL of the page; localhost for a server that listens on all interfaces."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"
