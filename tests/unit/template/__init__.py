"""Tests of template.yaml and of what belongs to it: what no emulator notices."""
