"""What can be chosen when the demo is started; the page can change none of it."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync.options import check_options, option


@dataclass(frozen=True)
class Settings:
    """Options of ``lipsync demo``.

    Attributes:
        root: a prepared set that the page shows; None for none.
        runs: a folder of training runs that the page shows; None for none.
        models: model files that the page offers beside the bundled ones.
        device: where networks run, e.g. ``"cuda"``.
        host: address to listen at.
        port: port to listen at; 0 takes a free one.
        browser: open the page when the server is up.
        max_mb: megabytes (10^6 bytes) of one upload.
        max_seconds: length of a video or sound.
        keep_minutes: after so long, what was uploaded or made is deleted.
        workers: jobs that run at a time; others wait in a queue.

    Raises:
        ConfigError: options that cannot work.
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
