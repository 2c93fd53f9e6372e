"""Lightning modules, callbacks and the training run. Only this package uses Lightning's trainer."""

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
