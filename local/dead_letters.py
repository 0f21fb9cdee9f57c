"""`make dead-letters`: what is in the dead-letter queue, sending it back, and the redrive of scans that have failed.

    python -m local.dead_letters [--stack NAME] [--json]
    python -m local.dead_letters [--stack NAME] [--json] --send-back [--all]
    python -m local.dead_letters [--stack NAME] [--json] --failed [RECORD_ID ...]

Works on what `make up` started, or with --stack on a stack of the caller's own AWS account, with the caller's own
credentials. Of a message it prints its id, its time and its scans' records: never the body, which holds object keys.

Exit codes: 0 when all is done, 1 when something could not be, 2 for a wrong command line, 130 after Ctrl-C.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local import background
from local.environment import close_environment
from local.redrives import Deployment, Redriven, listed, redrive, send_back


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; trouble that can be foreseen ends in a sentence on standard error."""
    options = _options(arguments)
    try:
        return _run(_deployment(options.stack), options)
    except KeyboardInterrupt:
        print("Interrupted: every message is in one of the two queues.", file=sys.stderr)
        return 130
    except (BotoCoreError, ClientError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1


def _deployment(stack: str | None) -> Deployment:
    if stack is not None:
        return Deployment.of_stack(stack, boto3.Session())
    close_environment()
    return Deployment.on_laptop(background.attach())


def _run(deployment: Deployment, options: argparse.Namespace) -> int:
    """What the options say, printed; 1 when a record that was named could not be redriven."""
    if options.failed is not None:
        redriven = redrive(deployment, tuple(dict.fromkeys(options.failed)))
        _print(options, {"sent": redriven.sent, "refused": redriven.refused}, _of_redrive(redriven))
        return 1 if redriven.refused else 0
    if options.send_back:
        moved = send_back(deployment, everything=options.all)
        sentence = f"Sent back: {moved.sent}, left: {moved.left}. Moved by {moved.by}."
        _print(options, {"sent": moved.sent, "left": moved.left, "by": moved.by}, [sentence])
        return 0
    letters = listed(deployment)
    _print(options, {"messages": letters}, _of_letters(letters))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make dead-letters", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stack", help="a stack of your AWS account; without it, what `make up` started")
    parser.add_argument("--json", action="store_true", help="print JSON")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--send-back", action="store_true", help="send the messages back that can be parsed")
    what.add_argument(
        "--failed",
        nargs="*",
        type=_record_id,
        metavar="RECORD_ID",
        help="reopen these records that have FAILED; none named: all, for which the whole table is read",
    )
    parser.add_argument("--all", action="store_true", help="with --send-back: also what cannot be parsed")
    options = parser.parse_args(arguments)
    if options.all and not options.send_back:
        parser.error("--all goes with --send-back")
    return options


def _record_id(text: str) -> str:
    if not re.fullmatch("scan_[0-9a-f]{32}", text):
        raise argparse.ArgumentTypeError("a record's id is scan_ and 32 hexadecimal digits")
    return text


def _print(options: argparse.Namespace, values: object, lines: Iterable[str]) -> None:
    print(json.dumps(values, indent=2) if options.json else "\n".join(lines))


def _of_letters(letters: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield f"Dead letters: {len(letters)}"
    for letter in letters:
        yield f"{letter['message_id']}  sent {letter['sent_at']}"
        if "unparsable" in letter:
            yield f"  not parsable: {letter['unparsable']}"
        elif not letter["scans"]:
            yield "  no scan in it"
        for scan in letter["scans"]:
            yield f"  {scan['record_id']}  {'removal  ' if scan['removed'] else ''}{_of_record(scan['record'])}"


def _of_record(record: dict[str, Any] | None) -> str:
    if record is None:
        return "no record"
    why = [*record.get("reasons", ()), *([f"waits for {record['waiting_for']}"] if "waiting_for" in record else ())]
    attempts = [f"attempts {record['attempts']}"] if "attempts" in record else []
    return "  ".join([record["status"], *why, *attempts, f"updated {record['updated_at']}"])


def _of_redrive(redriven: Redriven) -> Iterator[str]:
    yield f"Redrives sent: {len(redriven.sent)}"
    yield from (f"  {record_id}" for record_id in redriven.sent)
    yield from (f"  {record_id}  refused: {why}" for record_id, why in redriven.refused.items())


if __name__ == "__main__":
    sys.exit(main())
