"""Prepare footage for training: turn a folder of videos into clips for the data loader.

``python -m data_prep source=DIR output=DIR``, or :func:`data_prep.run.prepare` from Python. The
stages for each file: scan (name and key) -> probe -> look (one decoding pass: cuts, and faces on a
stride) -> pieces (each face in each shot, split to length, with quality measures) -> mouths (which
of several mouths moves with the sound) -> sync (offset and confidence of each) -> speaker (which
face is talking) -> crops, sound and mel on disk -> rows in the manifest. Files are distributed over
processes on this machine or over a Ray cluster (:mod:`data_prep.engine`).
"""
