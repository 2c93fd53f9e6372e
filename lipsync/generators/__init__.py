"""Generators at work: faces and their sound in, faces that speak out; folders of adapted ones."""
