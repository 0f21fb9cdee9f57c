"""`make doctor`: what is wrong with a deployed stack, and how it is mended, without changing it or spending money.

    python -m local.doctor [--stack NAME] [--json]

Works on what `make up` started, or with --stack on a stack of the caller's own AWS account, with the caller's own
credentials. Prints names of members and fields of the providers' secret, and never a value.

Exit codes: 0 when nothing has to be mended, 1 when something has, or no stack was found, 2 for a wrong command line,
130 after Ctrl-C.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local import background
from local.environment import close_environment
from local.examinations import examine
from local.patient import Finding, Patient
from local.stack import STACK_NAME

_WORDS = {"ok": "ok", "warning": "warning", "wrong": "MEND", "unknown": "?"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; trouble that can be foreseen ends in a sentence on standard error."""
    options = _options(arguments)
    try:
        findings = list(examine(_patient(options.stack)))
    except KeyboardInterrupt:
        print("Interrupted; nothing was changed.", file=sys.stderr)
        return 130
    except (BotoCoreError, ClientError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    wrong = any(finding.verdict == "wrong" for finding in findings)
    if options.json:
        print(json.dumps({"healthy": not wrong, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print("\n".join(_lines(findings)))
    return int(wrong)


def _patient(stack: str | None) -> Patient:
    if stack is not None:
        client: Any = boto3.Session().client
        return Patient.examined(stack, client)
    close_environment()
    return Patient.examined(STACK_NAME, background.attach().client)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make doctor", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stack", help="a stack of your AWS account; without it, what `make up` started")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


def _lines(findings: Iterable[Finding]) -> Iterator[str]:
    counted = dict.fromkeys(_WORDS, 0)
    for finding in findings:
        counted[finding.verdict] += 1
        yield f"{_WORDS[finding.verdict]:<8} {finding.area}: {finding.said}"
        if finding.mend is not None:
            yield f"{'':<8} -> {finding.mend}"
    yield (
        f"To mend: {counted['wrong']}, to look at: {counted['warning']}, could not be checked: {counted['unknown']}, "
        f"fine: {counted['ok']}."
    )


if __name__ == "__main__":
    sys.exit(main())
