"""Runs one command and ends it, and all that it started, as soon as its own standard input closes.

The standard input is a pipe whose other end the caller holds. It closes when the caller closes it, and also when the
caller dies in whatever way, SIGKILL included: so nothing that is started through here survives its caller.

    python -I -S guard.py DIRECTORY COMMAND [ARGUMENT ...]

DIRECTORY is the command's private TMPDIR and is removed at the end. Imports nothing of ours: it is a script.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from types import FrameType

# Nothing that runs here keeps anything.
GRACE_SECONDS = 1.0


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _end_with_caller(child: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    child.terminate()
    reaper = threading.Timer(GRACE_SECONDS, _signal_group, (child.pid, signal.SIGKILL))
    reaper.daemon = True
    reaper.start()


def main() -> int:
    directory, *command = sys.argv[1:]
    # A session of its own: the terminal's Ctrl-C goes to the caller alone, which then ends things in order.
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, env=os.environ | {"TMPDIR": directory}, start_new_session=True
    )

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    threading.Thread(target=_end_with_caller, args=(child,), daemon=True).start()

    # Not reaped before its group is ended: until then nobody else can get the group's number.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    _signal_group(child.pid, signal.SIGKILL)
    code = child.wait()
    shutil.rmtree(directory, ignore_errors=True)
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main())
