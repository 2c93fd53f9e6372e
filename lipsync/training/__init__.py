"""Lightning modules and what surrounds them. Only this package knows Lightning's trainer."""

from lipsync.training.expert import ExpertTraining
from lipsync.training.generator import GeneratorTraining
from lipsync.training.lip_reader import LipReaderTraining
from lipsync.training.lips_code import LipsCodeTraining
from lipsync.training.long_expert import LongExpertTraining
from lipsync.training.occlusion import OcclusionTraining

__all__ = [
    "ExpertTraining",
    "GeneratorTraining",
    "LipReaderTraining",
    "LipsCodeTraining",
    "LongExpertTraining",
    "OcclusionTraining",
]
