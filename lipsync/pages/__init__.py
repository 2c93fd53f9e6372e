"""HTML pages: Jinja2 templates and one stylesheet; a page is one file that needs no other."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

_PAGES = Environment(
    loader=PackageLoader("lipsync", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: object) -> str:
    """A page from a template of this folder; values are escaped unless the template says not."""
    return _PAGES.get_template(template).render(values)


def data_uri(kind: str, data: bytes) -> str:
    """A file inside the page: ``data:<kind>;base64,...``."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def jpeg_uri(picture: np.ndarray, quality: int = 80) -> str:
    """A picture inside the page, from uint8 (H, W, 3) RGB."""
    return data_uri("image/jpeg", jpeg_bytes(picture, quality))


def jpeg_bytes(picture: np.ndarray, quality: int = 80) -> bytes:
    """A JPEG file of uint8 (H, W, 3) RGB."""
    _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return jpeg.tobytes()
