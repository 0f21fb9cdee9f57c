"""Run the provider sandbox:

    python -m local.sandbox --credentials FILE [--host 127.0.0.1] [--port 0] [--ready-file FILE]

Loads the OCR engine, listens, then writes the ready file: `{"base_url", "host", "port", "pid", "providers"}`. Ends at
once, with status 0, on SIGTERM or SIGINT. Exits with status 2 and one sentence when the address or the credentials are
not acceptable.
"""

import argparse
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

from local.sandbox.app import Sandbox
from local.sandbox.reader import Reader
from local.sandbox.readings import ReadingDesk
from local.sandbox.server import AddressRefusedError, Server, listen
from local.sandbox.twins import TWINS, CredentialsError, Twin


def open_twins(file: Path, desk: ReadingDesk) -> list[Twin]:
    """A twin for each provider in the credentials `file`. CredentialsError says what is wrong with it."""
    try:
        credentials = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise CredentialsError(f"the credentials cannot be read: {type(error).__name__}") from None
    if not isinstance(credentials, dict):
        raise CredentialsError("the credentials are not a JSON object")
    twins = [maker.open(credentials[maker.name], desk, time.time) for maker in TWINS if maker.name in credentials]
    if not twins:
        raise CredentialsError(f"the credentials hold none of {', '.join(maker.name for maker in TWINS)}")
    return twins


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m local.sandbox", description="Plays the OCR providers on this machine."
    )
    parser.add_argument("--credentials", type=Path, required=True, help="JSON file, the same as the provider secret")
    parser.add_argument(
        "--host", default="127.0.0.1", help="loopback, or the address of a container bridge (default %(default)s)"
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--ready-file", type=Path, help="written when the sandbox answers")
    arguments = parser.parse_args()
    # readings run in threads that cannot be interrupted: end without waiting for them, when uvicorn has said goodbye
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s")
    # it quotes what it cannot parse
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    if arguments.ready_file:
        arguments.ready_file.unlink(missing_ok=True)
    reader = Reader()
    desk = ReadingDesk(reader)
    try:
        twins = open_twins(arguments.credentials, desk)
        listener = listen(arguments.host, arguments.port)
    except (AddressRefusedError, CredentialsError, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    reader.warm_up()
    host, port = listener.getsockname()[:2]
    ready = {
        "base_url": f"http://{f'[{host}]' if ':' in host else host}:{port}",
        "host": host,
        "port": port,
        "pid": os.getpid(),
        "providers": [twin.name for twin in twins],
    }

    def tell() -> None:
        print(f"sandbox: {ready['base_url']} plays {', '.join(ready['providers'])}", flush=True)
        if arguments.ready_file:
            draft = arguments.ready_file.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(ready))
            draft.replace(arguments.ready_file)

    Server(Sandbox(twins, desk).app, tell).run([listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
