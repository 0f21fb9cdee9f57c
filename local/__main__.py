"""The laptop's commands: `make demo`, `make up`, `make scan`, `make down`.

    python -m local demo|up [--provider NAME]
    python -m local scan [--json] [--provider NAME] [--prefix cn/] [--document-type TYPE] [--side SIDE] FILE ...
    python -m local down

Exit codes: 0 when all is well, 1 when something did not come out as expected, did not start or did not come to its end,
2 for a wrong command line, 130 after Ctrl-C.
"""

import argparse
import errno
import os
import shutil
import signal
import sys
import tempfile

from botocore.exceptions import BotoCoreError, ClientError

from local.demo.own import add_scan_arguments, down, scan, up
from local.demo.providers import NAMES, Choice, UnknownProviderError
from local.demo.show import demo
from local.demo.terminal import Terminal
from local.environment import close_environment

_INTERRUPTED = 130
_AFTER_INTERRUPT = {
    "demo": "everything that it started has been stopped",
    "up": "what was not ready has been stopped",
    "scan": "what was uploaded goes on being read, until `make down`",
    "down": "run `make down` again to be sure that everything is stopped",
}


def main() -> int:
    """Runs the command of the command line; every trouble that can be foreseen ends in a sentence."""
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    close_environment()
    # its first use tries the folder out with a file: a Ctrl-C at that moment would leave the file behind
    tempfile.gettempdir()
    terminal = Terminal(aside=getattr(arguments, "json", False))
    try:
        return _run(terminal, arguments)
    except UnknownProviderError as error:
        terminal.say(str(error), style="bold red")
        return 2
    except KeyboardInterrupt:
        terminal.say(f"\nInterrupted; {_AFTER_INTERRUPT[arguments.command]}.")
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more can be said, also not by Python at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        terminal.say(_of_the_system(error), style="bold red")
    except (BotoCoreError, ClientError) as error:
        terminal.say(f"The emulated AWS gave no good answer: {error}", style="bold red")
    except RuntimeError as error:  # of our own: a process that ended, a machine that does not fit, nothing that runs
        terminal.say(str(error), style="bold red")
    return 1


def _run(terminal: Terminal, arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "demo":
            return demo(terminal, Choice.of(arguments.provider))
        case "up":
            return up(terminal, Choice.of(arguments.provider))
        case "down":
            return down(terminal)
        case _:
            return scan(terminal, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make", description="cardintake on this machine, with nothing outside of it.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("demo", "show the whole system at work on printed specimen cards"),
        ("up", "start it for pictures of your own, until `make down`"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--provider", help=f"who reads Chinese cards, if it does: {', '.join(NAMES)}")
    commands.add_parser("down", help="stop what `make up` started")
    add_scan_arguments(
        commands.add_parser(
            "scan",
            help="upload pictures to what `make up` started",
            description="Uploads pictures to what `make up` started and shows what came of them. Nothing is guessed "
            'from a picture or its name. By make: make scan FILES="--prefix cn/ a.jpg b.png"',
        )
    )
    return parser.parse_args()


def _of_the_system(error: OSError) -> str:
    if isinstance(error, shutil.Error):  # the failures of a whole folder
        failures = error.args[0]
        return f"{len(failures)} files could not be copied. The first: {failures[0][2]}"
    where = f" ({error.filename})" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"The disk is full{where}. Make room and run it again; nothing was left running."
        case errno.EADDRINUSE:
            return f"A port that was free a moment ago has been taken{where}. Run it again."
        case errno.EACCES | errno.EROFS | errno.EPERM:
            return f"This may not be written or run here{where}: {error.strerror}."
        case _:
            return f"The machine refuses something that is needed{where}: {error}"


def _end(number: int, _frame: object) -> None:
    """Lets every `with` stop what it started."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
