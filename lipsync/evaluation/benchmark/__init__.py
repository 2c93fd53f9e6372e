"""The benchmark: takes a folder of dubs from any systems, writes one page."""
