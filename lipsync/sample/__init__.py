"""The built-in sample data set: synthetic talking heads with synthetic speech, in sync."""

from lipsync.sample.corpus import make_sample_corpus

__all__ = ["make_sample_corpus"]
