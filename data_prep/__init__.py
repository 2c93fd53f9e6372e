"""Prepare footage for training: a folder of videos in, clips that a loader can read out.

``python -m data_prep source=DIR output=DIR``, or :func:`data_prep.run.prepare` from Python. The way
of one file: scan (its name and key) -> probe -> look (one decoding: cuts, and faces on a stride) ->
pieces (each face in each shot, cut to length, with its quality) -> mouths (which of several moves
with the sound) -> sync (offset and confidence of each) -> speaker (which face is heard) -> crops,
sound and mel on disk -> rows in the manifest. Files are shared out to processes of this machine or
to a Ray cluster (:mod:`data_prep.engine`).
"""
