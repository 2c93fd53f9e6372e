"""The routes of the demo: requests are checked and handed on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from lipsync import __version__
from lipsync.demo.browsing import browsing_routes
from lipsync.demo.guard import Guard
from lipsync.demo.jobs import WAITING, Job, Jobs
from lipsync.demo.messages import Refusal, sentence
from lipsync.demo.settings import Settings
from lipsync.demo.tabs import Tab, Tabs
from lipsync.errors import LipsyncError

log = logging.getLogger(__name__)

_STATIC = Path(__file__).with_name("static")
_SWEEP = 5.0  # seconds between sweeps of closed tabs
_KINDS = ("face", "sound", "video")
_MOST_JSON = 16_384  # maximum bytes of a job request


class Demo:
    """The server's state: tabs, the queue, the models and the settings.

    Networks and their packages are loaded in a thread, after the page is up.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.browsing = browsing_routes(settings)
        self._loader = ThreadPoolExecutor(1, "demo loader")
        self.loaded: Future = Future()
        if settings.models or settings.device != "cpu":  # fail at start-up if these are invalid
            self.loaded.set_result(_load(settings))
        self.tabs = Tabs(60 * settings.keep_minutes)
        self.jobs = Jobs(self.tabs, settings.workers)
        self.tabs.on_close = self.jobs.cancel_all

    def app(self) -> Starlette:
        """The ASGI application; on shutdown, everything uploaded or made is deleted."""
        tab = "/api/tabs/{tab}"
        return Starlette(
            routes=[
                Route("/", self.page),
                Route("/api/about", self.about),
                Route("/api/tabs", self.open_tab, methods=["POST"]),
                Route(f"{tab}/alive", self.heartbeat, methods=["POST"]),
                Route(f"{tab}/close", self.close, methods=["POST"]),
                Route(f"{tab}/files", self.upload, methods=["POST"]),
                Route(f"{tab}/files/{{name}}", self.result),
                Route(f"{tab}/jobs", self.add_job, methods=["POST"]),
                Route(f"{tab}/jobs/{{job}}", self.job),
                Route(f"{tab}/jobs/{{job}}", self.cancel, methods=["DELETE"]),
                *self.browsing,
                Mount("/static", StaticFiles(directory=_STATIC)),
            ],
            middleware=[Middleware(Guard, host=self.settings.host)],
            exception_handlers={
                Refusal: lambda _, error: _problem(error.sentence, error.status),
                LipsyncError: lambda _, error: _problem(sentence(error), 400),
                404: lambda _, error: _problem("There is nothing at this address.", 404),
                405: lambda _, error: _problem("This address does not support that request.", 405),
                Exception: lambda _, error: _problem(
                    "Something went wrong on the server; its log says what.", 500
                ),
            },
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async def sweep() -> None:
            while True:
                await asyncio.sleep(_SWEEP)
                await run_in_threadpool(self.tabs.sweep, self.jobs.busy)

        if not self.loaded.done():
            self.loaded = self._loader.submit(_load, self.settings)
        self._loader.submit(_warm_up)
        sweeping = asyncio.create_task(sweep())
        try:
            yield
        finally:
            sweeping.cancel()
            await run_in_threadpool(self.end)

    def end(self) -> None:
        """Stop all jobs and delete everything uploaded or made."""
        self.tabs.end()
        self.jobs.end()
        self.tabs.end()  # once more: files that a job wrote while stopping
        self._loader.shutdown(wait=False, cancel_futures=True)

    async def page(self, request: Request) -> Response:
        return FileResponse(_STATIC / "index.html")

    async def about(self, request: Request) -> Response:
        models, languages, default, judge = await asyncio.wrap_future(self.loaded)
        limits = {"mb": self.settings.max_mb, "seconds": self.settings.max_seconds}
        return JSONResponse(
            {
                "version": __version__,
                "generators": list(models.generators),
                "generator": default,
                "judges": list(models.judges),
                "judge": judge,
                "languages": languages,
                "limits": limits | {"minutes": self.settings.keep_minutes},
                "dataset": self.settings.root is not None,
                "training": self.settings.runs is not None,
            }
        )

    async def open_tab(self, request: Request) -> Response:
        return JSONResponse({"tab": self.tabs.open().token}, 201)

    async def heartbeat(self, request: Request) -> Response:
        self._tab(request)
        return Response(status_code=204)

    async def close(self, request: Request) -> Response:
        await run_in_threadpool(self.tabs.close, request.path_params["tab"])
        return Response(status_code=204)

    async def upload(self, request: Request) -> Response:
        from lipsync.demo.inputs import inspect_upload, name_of, receive

        tab, kind = self._tab(request), request.query_params.get("as", "")
        if kind not in _KINDS:
            raise Refusal("Only a face, a sound or a video can be uploaded.")
        self.tabs.check_room(tab)
        path = self.tabs.new_path(tab)
        try:
            await receive(request, path, self.settings.max_mb)
            found, about = await run_in_threadpool(
                inspect_upload, path, kind, self.settings.max_seconds
            )
            name = self.tabs.register(tab, found, kind)
        except LipsyncError as error:
            raise Refusal(sentence(error, {path: name_of(kind)})) from None
        except ClientDisconnect:
            return Response(status_code=400)  # the client is gone
        except OSError:
            if not tab.closed:  # otherwise its folder is gone
                raise
            raise Refusal("This page was closed.", 410) from None
        finally:
            if tab.closed or path.stem not in tab.files:
                path.unlink(missing_ok=True)
        return JSONResponse({"file": name, **about}, 201)

    async def result(self, request: Request) -> Response:
        tab = self._tab(request)
        path = self.tabs.file(tab, request.path_params["name"], "result")
        return FileResponse(path, media_type="video/mp4")

    async def add_job(self, request: Request) -> Response:
        tab = self._tab(request)
        body = await _json(request)
        models = (await asyncio.wrap_future(self.loaded))[0]
        from lipsync.demo.job_requests import make_job

        try:
            work, inputs = make_job(body, tab, self.tabs, models, self.settings)
            return JSONResponse(self._state(self.jobs.add(tab, work, inputs)), 202)
        except Refusal:
            self.tabs.forget_uploads(tab, body.values())
            raise

    async def job(self, request: Request) -> Response:
        tab = self._tab(request)
        return JSONResponse(self._state(self.jobs.get(tab, request.path_params["job"])))

    async def cancel(self, request: Request) -> Response:
        tab = self._tab(request)
        job = self.jobs.get(tab, request.path_params["job"])
        self.jobs.cancel(job)
        return JSONResponse(self._state(job))

    def _tab(self, request: Request) -> Tab:
        return self.tabs.get(request.path_params["tab"])

    def _state(self, job: Job) -> dict[str, Any]:
        state = {"job": job.id, "state": job.state, "stage": job.stage, "done": job.done}
        state |= {"total": job.total, "error": job.error, "result": job.result}
        return state | ({"ahead": self.jobs.count_ahead(job)} if job.state == WAITING else {})


def _load(settings: Settings) -> tuple:
    """The models and languages that the page offers, and the default generator and judge.

    Raises:
        CheckpointError, ConfigError: an invalid model, or an unavailable device.
    """
    from torch import nn

    from lipsync.demo import dubs, scores  # noqa: F401  so that the first job need not wait for it
    from lipsync.demo.models import find_models
    from lipsync.demo.voices import spoken_languages
    from lipsync.devices import to_device
    from lipsync.dubbing import DEFAULT_MODEL
    from lipsync.evaluation.videos import DEFAULT_JUDGE

    to_device(nn.Linear(1, 1), settings.device)
    models = find_models(settings.models or ())
    return models, spoken_languages(), DEFAULT_MODEL, DEFAULT_JUDGE


def _warm_up() -> None:
    """Warm up, which saves two seconds on the first dub."""
    import numpy as np

    from lipsync.dubbing import DEFAULT_MODEL
    from lipsync.generators.lips import Lips, load_generator

    lips = Lips(load_generator(DEFAULT_MODEL, "cpu")[0])
    lips.feature.extract(np.zeros(16_000, np.float32))


async def _json(request: Request) -> dict[str, Any]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_JSON:
            raise Refusal("The request is too long.", 413)
    found = None
    with suppress(ValueError, RecursionError):
        from json import loads

        found = loads(body)
    if not isinstance(found, dict):
        raise Refusal("The request must be a JSON object.")
    return found


def _problem(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status)
