"""Lightning modules and what surrounds them. Only this package knows Lightning's trainer."""

from lipsync.training.expert import ExpertTraining
from lipsync.training.generator import GeneratorTraining
from lipsync.training.judge import JudgeTraining
from lipsync.training.lipgan import LipGANTraining

__all__ = [
    "ExpertTraining",
    "GeneratorTraining",
    "JudgeTraining",
    "LipGANTraining",
]
