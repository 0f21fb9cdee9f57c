"""The process that is fuzzed: a target's name, then libFuzzer's options. Code is instrumented as it is imported."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cardintake", "PIL"]):
    import cardintake.assessment
    import cardintake.images
    import cardintake.providers
    import cardintake.scans  # noqa: F401 - instrumented before anything else imports them

from tests.fuzz.targets import TARGETS


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    target = TARGETS[name]

    def mutator(data: bytes, max_size: int, seed: int) -> bytes:
        if target.mutate is None or seed % 2:
            return bytes(atheris.Mutate(data, len(data) if data else 1))[:max_size]
        return target.mutate(data, seed)[:max_size]

    with tempfile.TemporaryDirectory() as seeds:
        for number, seed in enumerate(target.seeds()):
            (Path(seeds) / str(number)).write_bytes(seed)
        arguments = [sys.argv[0], *options, seeds]
        if target.mutate is None:
            atheris.Setup(arguments, target.run)
        else:
            atheris.Setup(arguments, target.run, custom_mutator=mutator)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
