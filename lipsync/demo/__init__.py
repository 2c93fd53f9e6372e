"""``lipsync demo``: a page in the browser to dub, compare, score, and look at sets and trainings.

The server is Starlette on uvicorn (extra ``demo``). The page is in ``static/``: plain HTML, CSS and
JavaScript modules, nothing from elsewhere and nothing to build. ``app`` has the addresses,
``guard`` says who may ask, ``tabs`` keeps what a browser tab has uploaded or made, ``jobs`` is the
queue; what a job does is in ``dubs`` and ``scores``.
"""
