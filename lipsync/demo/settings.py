"""Settings fixed when the demo is started; the page cannot change them."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync.options import check_options, option


@dataclass(frozen=True)
class Settings:
    """Options of ``lipsync demo``.

    Attributes:
        root: a prepared set to show; None for none.
        runs: a folder of training runs to show; None for none.
        models: model files to offer besides the bundled ones.
        device: device of the networks, e.g. ``"cuda"``.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        browser: open the page when the server is up.
        max_mb: maximum size of an upload, in megabytes (10^6 bytes).
        max_seconds: maximum duration of a video or sound.
        keep_minutes: uploads and results are deleted after this time.
        workers: number of jobs that run at the same time; others are queued.

    Raises:
        ConfigError: invalid options.
    """

    root: str | None = None
    runs: str | None = None
    models: list | None = None
    device: str = "cpu"
    host: str = "127.0.0.1"
    port: int = option(7860, least=0, most=65535)
    browser: bool = True
    max_mb: int = option(200, least=1, most=100_000)
    max_seconds: float = option(60.0, least=1, most=86_400)
    keep_minutes: float = option(30.0, least=0.1, most=1440)
    workers: int = option(1, least=1, most=16)

    def __post_init__(self) -> None:
        check_options(self)
