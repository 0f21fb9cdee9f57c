"""The report of a run: one HTML file that shows each picture beside what was read from it, and needs nothing else."""

from local.report.page import write_report

__all__ = ["write_report"]
