"""Benchmarks: ratios from one run, side by side with a reference handler. `make bench`; see README.md."""
