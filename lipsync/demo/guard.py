"""Who may ask: pages of this server alone, by its own name.

Another site's page can send requests to a server on this machine, or let its own name point here
(DNS rebinding). Browsers say where a request comes from (``Origin``, ``Sec-Fetch-Site``) and under
which name they know the server (``Host``); what does not fit is refused before it is read.
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
    """ASGI middleware that refuses what does not come from the demo's own page.

    Args:
        app: what is asked when all is well.
        host: the address that the server listens at.
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

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        if problem := self._problem(scope["path"], Headers(scope=scope)):
            await JSONResponse({"error": problem}, 403)(scope, receive, answer)
        else:
            await self._app(scope, receive, answer)

    def _problem(self, path: str, headers: Headers) -> str:
        host = headers.get("host", "").lower()
        if not self._known(_name_of(host)):
            return "The demo does not answer at this address; use the one that it printed on start."
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return "Requests from other sites are refused."
        # a link to the page itself may stand anywhere
        site = headers.get("sec-fetch-site", "same-origin")
        if path != "/" and site not in ("same-origin", "none"):
            return "Requests from other sites are refused."
        return ""

    def _known(self, name: str) -> bool:
        """A name of this machine, or an address, which no other site's name can become."""
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback if self._local else True


def _name_of(host: str) -> str:
    """``[::1]:7860`` -> ``::1``, ``localhost:7860`` -> ``localhost``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
