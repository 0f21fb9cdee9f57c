"""`make erase` and `make held`: erases a case, a person or single scans, or says what is held about them.

    python -m local.erase --case ID [--search-bucket] [--held | --dry-run] [--stack NAME] [--json]
    python -m local.erase --person [--held | --dry-run] [--stack NAME] [--json]
    python -m local.erase --record RECORD_ID ... [--held | --dry-run] [--stack NAME] [--json]

Works on what `make up` started, or with --stack on a stack of the caller's own AWS account, with the caller's own
credentials. A person's number is asked for, or read from standard input: on a command line others would see it, and the
shell would keep it. It prints record ids, kinds, counts and dates: never a key, a number, or what was read.

Exit codes: 0 when all is done, 1 when something could not be, 2 for a wrong command line or number, 130 after Ctrl-C.
"""

import argparse
import getpass
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cardintake import scans
from cardintake.aws import error_code
from local import background
from local.environment import close_environment
from local.erasures import PATIENCE_SECONDS, Erasure
from local.holdings import Deployment, Found, described, of_case, of_person, of_records
from local.persons import NotANumberError, Person


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; trouble that can be foreseen ends in a sentence on standard error."""
    options = _options(arguments)
    try:
        person = Person.of(_number()) if options.person else None
        deployment = _deployment(options.stack)
        return _run(deployment, options, person)
    except NotANumberError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. Run it again: what is erased already stays erased.", file=sys.stderr)
        return 130
    except ClientError as error:
        # never the whole message: a denial names the resource, and with it an object's key
        print(f"{error.operation_name}: {error_code(error)}", file=sys.stderr)
    except (BotoCoreError, RuntimeError) as error:
        print(error, file=sys.stderr)
    return 1


def _number() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Identity number (not shown): ")
    return sys.stdin.readline()


def _deployment(stack: str | None) -> Deployment:
    if stack is not None:
        return Deployment.of_stack(stack, boto3.Session())
    close_environment()
    return Deployment.on_laptop(background.attach())


def _search(deployment: Deployment, options: argparse.Namespace, person: Person | None) -> Callable[[], Found]:
    if person is not None:
        return lambda: of_person(deployment, person)
    if options.case is not None:
        return lambda: of_case(deployment, options.case, search_bucket=options.search_bucket)
    return lambda: of_records(deployment, options.record)


def _run(deployment: Deployment, options: argparse.Namespace, person: Person | None) -> int:
    """What the options say, printed; 1 when something is left, or was not found for what may be a slip of the pen."""
    search = _search(deployment, options, person)
    found = search()
    unread = dict(sorted(found.unread.items()))
    mistyped = person is not None and person.doubtful and not found.uploads
    if mistyped:
        print("Nothing has this number, and its own check character does not fit: look at it again.", file=sys.stderr)
    if options.held:
        records = [described(deployment, upload) for upload in found.uploads]
        _print(options, {"records": records, "unclear": found.unclear, "unread": unread}, _of_held)
        return int(bool(found.unclear) or mistyped)
    if options.dry_run:
        ids = sorted(upload.record_id for upload in found.uploads)
        _print(options, {"would_erase": ids, "left": found.unclear, "unread": unread}, _of_erasure)
        return int(bool(found.unclear) or mistyped)
    for record_id, why in found.unclear.items():  # at once: whoever interrupts this may not be able to find them again
        print(f"{record_id}  not erased: {why}", file=sys.stderr)
    done = Erasure(deployment, patience=options.wait).run(found)
    came = {upload.record_id for upload in search().uploads} - done.left.keys()
    left = done.left | dict.fromkeys(sorted(came), "uploaded while this ran: run it again")
    erased = [record_id for record_id in done.erased if record_id not in came]
    _print(options, {"erased": erased, "left": left, "unread": unread}, _of_erasure)
    return int(bool(left) or mistyped)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make erase", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stack", help="a stack of your AWS account; without it, what `make up` started")
    parser.add_argument("--json", action="store_true", help="print JSON")
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--case", type=_case_id, metavar="ID", help="the scans of this case")
    whose.add_argument("--person", action="store_true", help="the scans of a person, whose number is asked for")
    whose.add_argument("--record", nargs="+", type=_record_id, metavar="RECORD_ID", help="these scans")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--held", action="store_true", help="say what is held, and erase nothing")
    what.add_argument("--dry-run", action="store_true", help="say what would be erased, and erase nothing")
    parser.add_argument("--search-bucket", action="store_true", help="with --case: also list every key of the bucket")
    parser.add_argument(
        "--wait", type=float, default=PATIENCE_SECONDS, metavar="SECONDS", help="how long at most, a step"
    )
    options, more = parser.parse_known_args(arguments)
    if more:  # not repeated, as argparse would: it may be a number
        parser.error("there is something more on the command line; a number is asked for, and never written there")
    if options.search_bucket and options.case is None:
        parser.error("--search-bucket goes with --case")
    return options


def _case_id(text: str) -> str:
    if scans.case_id(f"any/{text}/any", re.compile("[^/]+")) is None:
        raise argparse.ArgumentTypeError("no case's id; a person's number goes to --person, which asks for it")
    return text


def _record_id(text: str) -> str:
    if not re.fullmatch("scan_[0-9a-f]{32}", text):
        raise argparse.ArgumentTypeError("a record's id is scan_ and 32 hexadecimal digits")
    return text


def _print(
    options: argparse.Namespace, values: dict[str, Any], lines: Callable[[dict[str, Any]], Iterator[str]]
) -> None:
    print(json.dumps(values, indent=2) if options.json else "\n".join(lines(values)))


def _of_erasure(values: dict[str, Any]) -> Iterator[str]:
    what, ids = ("Would erase", values["would_erase"]) if "would_erase" in values else ("Erased", values["erased"])
    yield f"{what}: {len(ids)}"
    yield from (f"  {record_id}" for record_id in ids)
    if values["left"]:
        yield f"Left: {len(values['left'])}"
        yield from (f"  {record_id}  {why}" for record_id, why in values["left"].items())
    yield from _of_unread(values["unread"])


def _of_held(values: dict[str, Any]) -> Iterator[str]:
    yield f"Held: {len(values['records'])}"
    for record in values["records"]:
        yield "  ".join(
            [
                record["record_id"],
                record.get("status", "no record"),
                *([f"case {record['case_id']}"] if "case_id" in record else ()),
            ]
        )
        dates = [
            f"{name.removesuffix('_at')} {record[name]}"
            for name in ("created_at", "recognized_at", "updated_at")
            if name in record
        ]
        yield f"  {', '.join(dates)}"
        yield f"  record       until {record['record_expires_at']}"
        if record["card"]:
            yield f"  card         {' '.join(record['card'])}"
        yield from (f"  other card   {' '.join(fields)}" for fields in record["other_cards"])
        for kind in ("scans", "answers", "crops"):
            if record[kind]["count"]:
                yield f"  {kind:<12} {record[kind]['count']} until {record[kind]['expires_at']}"
        if record["links"]:
            yield f"  listed in    {', '.join(f'{count} {kind}' for kind, count in record['links'].items())}"
    for record_id, why in values["unclear"].items():
        yield f"{record_id}  unclear: {why}"
    yield from _of_unread(values["unread"])


def _of_unread(unread: dict[str, int]) -> Iterator[str]:
    if unread:
        states = ", ".join(f"{count} {status}" for status, count in unread.items())
        yield f"Not looked into, since no card was read: {states}"


if __name__ == "__main__":
    sys.exit(main())
