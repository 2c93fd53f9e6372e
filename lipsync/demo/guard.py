"""Accepts requests only from this server's own pages, under its own name.

Another site's page can send requests to a local server (CSRF), or point its own name at this
machine (DNS rebinding). Browsers state where a request comes from (``Origin``, ``Sec-Fetch-Site``)
and the server's name (``Host``); a request with wrong values is refused before its body is read.
"""

from __future__ import annotations

import ipaddress
import socket

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' "
    "blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(self)",
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware that refuses requests from anywhere but the demo's own page.

    Args:
        app: the wrapped application.
        host: the address that the server listens on.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1") -> None:
        self._app, self._local = app, _is_loopback(host)
        self._names = {"localhost", host.lower()}
        if not self._local:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        if problem := self._problem(scope["path"], Headers(scope=scope)):
            await JSONResponse({"error": problem}, 403)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _problem(self, path: str, headers: Headers) -> str:
        host = headers.get("host", "").lower()
        if not self._is_own_name(_host_name(host)):
            return "The demo does not answer at this address; use the one that it printed on start."
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return "Requests from other sites are refused."
        # any site may link to the page itself
        site = headers.get("sec-fetch-site", "same-origin")
        if path != "/" and site not in ("same-origin", "none"):
            return "Requests from other sites are refused."
        return ""

    def _is_own_name(self, name: str) -> bool:
        """Whether it is a name of this machine, or an IP address, which rebinding cannot fake."""
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback if self._local else True


def _host_name(host: str) -> str:
    """``[::1]:7860`` -> ``::1``, ``localhost:7860`` -> ``localhost``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
