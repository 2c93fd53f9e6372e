"""Lightning modules and what surrounds them. Only this package knows Lightning's trainer."""

from lipsync.training.expert import ExpertTraining
from lipsync.training.generator import GeneratorTraining
from lipsync.training.judge import JudgeTraining
from lipsync.training.lipgan import LipGANTraining
from lipsync.training.voice import VoiceTraining

__all__ = [
    "ExpertTraining",
    "GeneratorTraining",
    "JudgeTraining",
    "LipGANTraining",
    "VoiceTraining",
]
