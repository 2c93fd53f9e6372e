from .batch import BatchResult as BatchResult
from .batch import dub_batch as dub_batch
from .live import LiveSession as LiveSession
from .options import DEFAULT_MODEL as DEFAULT_MODEL
from .pipeline import dub as dub
from .pipeline import dub_frames as dub_frames
from .render import DubbedFrame as DubbedFrame
from .result import DubResult as DubResult
