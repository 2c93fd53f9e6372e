"""Inference with generators, and with folders of adapted ones."""
