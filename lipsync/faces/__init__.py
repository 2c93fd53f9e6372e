"""Faces: where they are (detect), which one is followed (tracks), and what is cut out (crops)."""
