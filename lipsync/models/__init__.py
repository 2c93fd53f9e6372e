"""The networks: torch only, each with sizes set by ``image_size``, ``width`` and ``depth``."""

from lipsync.models.base import Network
from lipsync.models.expert import SyncNet
from lipsync.models.generator import FaceGenerator
from lipsync.models.lip_reader import LipReader
from lipsync.models.lipgan import LipGAN, LipGANDiscriminator
from lipsync.models.lips_code import LipsCode
from lipsync.models.long_syncnet import LongSyncNet
from lipsync.models.occlusion import OcclusionNet
from lipsync.models.patches import PatchDiscriminator
from lipsync.models.quality import QualityDiscriminator
from lipsync.models.syncnet_v2 import SyncNetV2
from lipsync.models.wav2lip import Wav2Lip

__all__ = [
    "FaceGenerator",
    "LipGAN",
    "LipGANDiscriminator",
    "LipReader",
    "LipsCode",
    "LongSyncNet",
    "Network",
    "OcclusionNet",
    "PatchDiscriminator",
    "QualityDiscriminator",
    "SyncNet",
    "SyncNetV2",
    "Wav2Lip",
]
