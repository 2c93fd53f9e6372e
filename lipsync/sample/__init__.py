"""The embedded default data set: generated talking heads whose mouths follow generated speech."""

from lipsync.sample.corpus import make_sample_corpus

__all__ = ["make_sample_corpus"]
