"""Prepare footage for training: a folder of videos in, clips that a loader can read out.

``python -m data_prep source=DIR output=DIR``, or :func:`data_prep.run.prepare` from Python. The way
of one file: scan (its name and key) -> probe -> frames at 25 fps, and the face in them -> one
steady box -> crops, sound and mel on disk -> a row in the manifest.
"""
