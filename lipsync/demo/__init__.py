"""``lipsync demo``: a web page to dub, compare, score, and browse data sets and training runs.

The server is Starlette on uvicorn (extra ``demo``). The page is in ``static/``: plain HTML, CSS and
JavaScript modules, without external resources or a build step. ``app`` has the routes, ``guard``
checks where requests come from, ``tabs`` holds the files of each browser tab, ``jobs`` is the
queue; the jobs themselves are in ``dubs`` and ``scores``.
"""
