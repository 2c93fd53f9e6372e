"""Speaker embeddings by a user-supplied network, run with sherpa-onnx."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.errors import CheckpointError, StageError, install_extra

_WANTED = "a speaker embedding of WeSpeaker, 3D-Speaker or NeMo from sherpa-onnx's releases"
_BOTH = ("output_dim", "sample_rate", "language")
_KEYS = {
    "wespeaker": (*_BOTH, "normalize_samples"),
    "3d-speaker": (*_BOTH, "normalize_samples"),
    "nemo": (*_BOTH, "feat_dim", "window_size_ms", "window_stride_ms"),
}
"""Required metadata by framework; without it sherpa-onnx aborts the process."""


def check_speaker_model(path: str | Path) -> None:
    """Check that a file is a speaker-embedding network, and that sherpa-onnx is installed.

    Raises:
        StageError: sherpa-onnx is not installed.
        CheckpointError: the file does not exist, is not ONNX, or is another kind of network.
    """
    from lipsync.onnx_files import open_onnx  # late: imports onnxruntime

    if find_spec("sherpa_onnx") is None:
        remedy = f"{install_extra('speakers')}, or leave out --speaker-model"
        raise StageError("speakers", "sherpa-onnx is not installed", remedy)
    has = open_onnx(Path(path), "cpu", _WANTED).get_modelmeta().custom_metadata_map
    needs = _KEYS.get(has.get("framework", ""), ("framework",))
    lacking = [key for key in needs if not has.get(key)]
    if lacking or has.get("framework") not in _KEYS:
        about = f"has no '{lacking[0]}' in its metadata" if lacking else "is of another framework"
        raise CheckpointError(path, f"is no speaker embedding: {about}", f"give {_WANTED}")


def voiceprints(path: str | Path, waves: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The speaker embedding of each line.

    Args:
        path: the network, see :func:`check_speaker_model`.
        waves: float32 (n,) at 16 kHz each, lines of speech.

    Returns:
        float64 (d,) per line, scaled to a norm of its duration in seconds, so that embeddings can
        be summed; zeros if the line is silent or too short. Similar voices have similar directions.

    Raises:
        CheckpointError: the network does not run.
    """
    import sherpa_onnx

    check_speaker_model(path)
    found = []
    try:
        config = sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(path))
        extractor = sherpa_onnx.SpeakerEmbeddingExtractor(config)
        for wave in waves:
            print_ = np.zeros(extractor.dim)
            stream = extractor.create_stream()
            stream.accept_waveform(SAMPLE_RATE, wave)
            stream.input_finished()
            if wave.any() and extractor.is_ready(stream):
                print_ = np.nan_to_num(np.asarray(extractor.compute(stream), np.float64))
                print_ *= len(wave) / SAMPLE_RATE / max(np.linalg.norm(print_), 1e-9)
            found.append(print_)
    except RuntimeError as error:
        about = " ".join(str(error).split())[:200]
        raise CheckpointError(path, f"does not run ({about})", f"give {_WANTED}") from None
    return found
