"""The laptop: what stands in for AWS, for the providers and for people's cards. Never packaged."""

import sys
from pathlib import Path

# our package is no part of the virtual environment: on AWS it is a layer
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "layers" / "cardintake" / "python"))
