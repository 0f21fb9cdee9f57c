"""`make up`, `make scan`, `make down`: the same system, kept running, for somebody's own pictures."""

import argparse
import json
import secrets
from datetime import datetime
from pathlib import Path

from local import background
from local.demo.model import Run, Upload
from local.demo.providers import NAMES, PERUVIAN, Choice
from local.demo.terminal import Stopwatch, Terminal
from local.demo.watching import Watch
from local.environment import BUILD, REPOSITORY
from local.report import write_report
from local.stack import Stack
from local.subscriber import Subscriber

REPORT = BUILD / "scan-report.html"
DOCUMENT_TYPES = ("cn_resident_id", "pe_dni", "pe_foreigner_card")
SIDES = ("portrait", "emblem", "front", "back")

_NEXT = """\
It runs on this machine only, at {endpoint}. Next, for example, drop a photo on the lightbox:

    {lightbox}

or stay here:

    make scan FILES="--prefix cn/ card.jpg"     (cn/ goes to {chinese}, pe/ to {peruvian})
    make scan FILES=card.jpg PROVIDER={other}     (or any other of the five)
    make scan FILES="--help"
    make down

or upload yourself. With the AWS CLI, in this directory:

    . .local/env
    aws s3 cp card.jpg s3://{bucket}/cn/C-1001/portrait.jpg \\
        --metadata document-type=cn_resident_id,side=portrait
    aws dynamodb scan --table-name {table}

or in Python (.venvs/dev/bin/python has boto3), with `. .local/env` done before:

    import boto3
    boto3.client("s3").upload_file("card.jpg", "{bucket}", "pe/P-2001/front.jpg",
        ExtraArgs={{"Metadata": {{"document-type": "pe_dni", "side": "front"}}}})
    print(boto3.resource("dynamodb").Table("{table}").scan()["Items"])
"""


def up(terminal: Terminal, choice: Choice) -> int:
    """Starts it, unless it runs already, and says what can be done with it."""
    stopwatch = Stopwatch(terminal)
    try:
        stack = background.attach()
    except background.NotRunningError:
        with terminal.busy("starting the emulated AWS and the provider sandbox, deploying the template"):
            stack = background.start(choice.all_routes, providers=choice.names)
        stopwatch.done("running")
        chinese = choice.chinese
    else:
        terminal.say("It runs already.")
        chinese = "the provider that it was started with"
    terminal.say()
    other = next(name for name in NAMES if name != choice.chinese)
    who = {"chinese": chinese, "peruvian": PERUVIAN, "other": other}
    where = {"endpoint": stack.endpoint_url, "lightbox": background.lightbox_address()}
    terminal.verbatim(_NEXT.format(**where, **who, **_names(stack)))
    return 0


def down(terminal: Terminal) -> int:
    """Stops what `up` started."""
    stopwatch = Stopwatch(terminal)
    try:
        background.stop()
    except background.NotRunningError as error:
        terminal.say(str(error))
        return 0
    stopwatch.done("stopped; records, scans and answers are gone with it")
    return 0


def scan(terminal: Terminal, arguments: argparse.Namespace) -> int:
    """Uploads files, waits for their records and events, shows them; 1 when one did not come to its end."""
    uploads = uploads_of(arguments)
    stack = background.attach()
    began = f"{datetime.now():%-d %B %Y, %H:%M}"  # noqa: DTZ005 - the time on the wall of whoever looks at it
    # Several may scan at the same time: each listens on a queue of its own.
    name = f"scan-{secrets.token_hex(6)}"
    with Subscriber(stack, name) as subscriber, terminal.progress(len(uploads)) as progress:
        watch = Watch(stack, subscriber, progress.final)
        watch.upload(uploads)
        results = watch.wait()
    run = Run("cardintake: scans", began, results)
    write_report(run, REPORT)
    terminal.results(run)
    terminal.findings(results)
    terminal.events(results)
    terminal.say(f"Report: {REPORT.relative_to(REPOSITORY)} (readable for you only: what is on the cards stands in it)")
    if arguments.json:
        found = [{"file": one.upload.name, "record": one.record, "events": list(one.events)} for one in results]
        print(json.dumps(found, ensure_ascii=False, indent=2, default=sorted))
    waiting = [result for result in results if not result.is_final]
    for result in waiting:
        reason = result.get("waiting_for")
        why = f"it waits: {reason}" if reason else "it is still being worked on"
        terminal.say(f"{result.upload.name} has not come to its end: {why}.", style="bold red")
    return 1 if waiting else 0


def add_scan_arguments(parser: argparse.ArgumentParser) -> None:
    """What `scan` can be told."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a picture of a card, in any format")
    parser.add_argument(
        "--prefix",
        default="",
        help="where in the bucket the scans are put, for example cn/C-1001/. Keys below cn/ are read by the provider "
        "that `make up` was told, ctyun if none; keys below pe/ by accuauth; elsewhere the one of the two that reads "
        "the claimed document type is taken, without a claim the first. The last of two or more folders with a digit "
        "in it is the case",
    )
    parser.add_argument(
        "--provider",
        default="",
        help=f"who reads these files, whatever `make up` was told: {', '.join(NAMES)}. Its name precedes the prefix",
    )
    parser.add_argument(
        "--document-type", choices=DOCUMENT_TYPES, help="what all these files are, as the uploader claims it"
    )
    parser.add_argument(
        "--json", action="store_true", help="print records and events as JSON; all else to standard error"
    )
    parser.add_argument("--side", choices=SIDES, help="which side of the card they all show, as the uploader claims it")


def uploads_of(arguments: argparse.Namespace) -> list[Upload]:
    """Keys carry no file names: people put names and numbers into those. UnknownProviderError."""
    Choice.of(arguments.provider)
    claims = {"document-type": arguments.document_type, "side": arguments.side}
    metadata = {name: claim for name, claim in claims.items() if claim is not None}
    folders = (arguments.provider, arguments.prefix.strip("/"))
    prefix = "".join(f"{folder}/" for folder in folders if folder)
    token = secrets.token_hex(6)
    return [
        Upload(str(path), f"{prefix}{token}-{number}{path.suffix.lower()}", _content(path), metadata)
        for number, path in enumerate(arguments.files, start=1)
    ]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror}.") from None


class UnreadableFileError(RuntimeError):
    """A file that somebody wants to upload cannot be read."""


def _names(stack: Stack) -> dict[str, str]:
    return {"bucket": stack.outputs.scans_bucket, "table": stack.outputs.cards_table}
