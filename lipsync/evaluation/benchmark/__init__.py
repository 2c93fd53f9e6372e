"""The bench: a folder of dubs from any systems in, one page out."""
