"""Turns a request of the page into a job; all input is untrusted and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lipsync.demo.dubs import DubRequest, check_face
from lipsync.demo.inputs import name_of
from lipsync.demo.jobs import Report
from lipsync.demo.messages import Refusal
from lipsync.demo.models import Models
from lipsync.demo.scores import score
from lipsync.demo.settings import Settings
from lipsync.demo.tabs import Tab, Tabs
from lipsync.demo.voices import check_text, spoken_languages

Work = Callable[[Report], dict[str, Any]]
Inputs = Mapping[Path, str]


def make_job(
    body: Mapping[str, Any], tab: Tab, tabs: Tabs, models: Models, settings: Settings
) -> tuple[Work, Inputs]:
    """The work of a job, and its uploads with their names in messages.

    Args:
        body: ``{"do": "dub" | "compare" | "score", ...}``, from the page.
        tab: the tab that sent the request.
        tabs: all tabs, which hold the uploads.
        models: the models on offer.
        settings: of the server.

    Raises:
        Refusal: an invalid request.
    """
    do = body.get("do")
    if do == "score":
        return _make_score_job(body, tab, tabs, models, settings)
    if do not in ("dub", "compare"):
        raise Refusal("The task must be dub, compare or score.")
    if body.get("consent") is not True:
        raise Refusal("Tick the consent box: a face may be dubbed only with that person's consent.")
    names = [body.get("model")] if do == "dub" else body.get("models")
    if not isinstance(names, list) or len(names) != (1 if do == "dub" else 2):
        raise Refusal("Choose two models to compare.")
    chosen = {str(name): models.generator(name) for name in names}
    if do == "compare" and len(chosen) < 2:
        raise Refusal("Choose two different models to compare.")

    face = tabs.file(tab, body.get("face"), "face")
    inputs, text = {face: name_of("face")}, None
    if body.get("text") is not None:
        text = check_text(body["text"], body.get("language"))
        if text[1] not in spoken_languages():
            raise Refusal(
                "No installed voice speaks this language; upload or record a sound instead."
            )
        sound = tabs.new_path(tab, ".wav")
    else:
        sound = tabs.file(tab, body.get("sound"), "sound")
        inputs[sound] = name_of("sound")
    job = DubRequest(
        face,
        sound,
        chosen,
        lambda: tabs.new_path(tab, ".mp4"),
        check_face(body.get("which", "largest")),
        body.get("watermark", True) is not False,
        text,
        settings.device,
        settings.max_seconds,
    )

    def work(report: Report) -> dict[str, Any]:
        videos_by_model = job.run(report)
        videos = [
            {"model": name, "file": tabs.register(tab, path, "result"), **about}
            for name, (path, about) in videos_by_model.items()
        ]
        return {"videos": videos}

    return work, inputs


def _make_score_job(
    body: Mapping[str, Any], tab: Tab, tabs: Tabs, models: Models, settings: Settings
) -> tuple[Work, Inputs]:
    judge = models.judge(body.get("judge"))
    video, real = tabs.file(tab, body.get("video"), "video"), None
    inputs = {video: name_of("video")}
    if body.get("real") is not None:
        real = tabs.file(tab, body["real"], "video")
        inputs[real] = "The real video"
    return lambda report: score(video, real, judge, settings.device, report), inputs
