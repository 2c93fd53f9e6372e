"""Faces: detection, tracking, cropping and pasting."""
