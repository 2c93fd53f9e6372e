"""The command ``lipsync demo``; the server is imported when it runs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from lipsync.commands import add_command
from lipsync.errors import ConfigError, install_extra

_NEEDS = ("starlette", "uvicorn")


def add_demo(commands: Any) -> None:
    """Add ``lipsync demo`` to the commands."""
    about = "open a page in the browser: dub, compare, score, browse sets and training runs"
    parser = add_command(commands, "demo", _demo, about)
    add = parser.add_argument
    add("--root", metavar="DIR", help="a prepared set to browse")
    add("--runs", metavar="DIR", help="a folder of training runs to watch, e.g. runs")
    add(
        "--model",
        dest="models",
        action="append",
        metavar="FILE",
        help="your own model, besides the bundled ones; may be repeated",
    )
    add("--device", help="device of the networks, e.g. cuda (default: cpu)")
    add = parser.add_argument_group("server").add_argument
    add("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    add("--port", type=int, metavar="N", help="port to listen on, 0 for any (default: 7860)")
    add("--no-browser", dest="browser", action="store_false", help="do not open the page")
    add = parser.add_argument_group("limits").add_argument
    add("--max-mb", type=int, metavar="N", help="maximum size of an upload, MB (default: 200)")
    add("--max-seconds", type=float, metavar="S", help="longest video or sound (default: 60)")
    add("--keep-minutes", type=float, metavar="M", help="how long to keep results (default: 30)")
    add("--workers", type=int, metavar="N", help="parallel jobs (default: 1)")


def _demo(**options: Any) -> None:
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"lipsync demo needs {' and '.join(missing)}; install the extra: "
            + install_extra("demo")
        )
    from lipsync.demo.server import serve
    from lipsync.demo.settings import Settings

    serve(Settings(**options))
