"""The routes of the Dataset and Training tabs, which are read-only.

Clips, runs and images are requested by names from the server's own listings, never by path.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from lipsync.demo.messages import Refusal
from lipsync.demo.settings import Settings


def browsing_routes(settings: Settings) -> list[Route]:
    """The routes available with these settings.

    Raises:
        ConfigError: a folder that does not exist, or is not a prepared set.
    """
    routes = []
    if settings.root is not None:
        routes += _set_routes(settings.root)
    if settings.runs is not None:
        routes += _run_routes(settings.runs)
    return routes


def _set_routes(root: str) -> list[Route]:
    from lipsync.demo.sets import PreparedSet

    prepared = PreparedSet(root)

    def splits(request: Request) -> Response:
        return JSONResponse(prepared.splits())

    def clips(request: Request) -> Response:
        query = request.query_params
        page = query.get("page", "0")
        number = int(page) if page.isdecimal() and len(page) < 8 else 0
        return JSONResponse(prepared.find(query.get("split", ""), query.get("query", ""), number))

    def clip(request: Request) -> Response:
        return JSONResponse(prepared.about(_query_param(request, "key")))

    def sheet(request: Request) -> Response:
        return Response(prepared.sheet(_query_param(request, "key")), media_type="image/jpeg")

    def sound(request: Request) -> Response:
        return Response(prepared.sound(_query_param(request, "key")), media_type="audio/wav")

    return [
        Route("/api/dataset", splits),
        Route("/api/dataset/clips", clips),
        Route("/api/dataset/clip", clip),
        Route("/api/dataset/sheet", sheet),
        Route("/api/dataset/sound", sound),
    ]


def _run_routes(folder: str) -> list[Route]:
    from lipsync.demo.runs import Runs

    runs = Runs(folder)

    def names(request: Request) -> Response:
        return JSONResponse(list(runs.find()))

    def run(request: Request) -> Response:
        name = _query_param(request, "run")
        return JSONResponse({"charts": runs.curves(name), "pictures": runs.pictures(name)})

    def picture(request: Request) -> Response:
        path = runs.picture(_query_param(request, "run"), _query_param(request, "name"))
        return FileResponse(path, media_type="image/png")

    return [
        Route("/api/runs", names),
        Route("/api/runs/run", run),
        Route("/api/runs/picture", picture),
    ]


def _query_param(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise Refusal("The address is incomplete: it must contain a name.")
    return value
