"""Runs a command that cannot outlive the process which asked for it.

usage: guard.py [--remove DIR] COMMAND [ARGUMENT...]

The caller holds the write end of this process's standard input. However the caller ends, a SIGKILL included, the kernel
closes that pipe; then the whole process group of COMMAND is killed, whatever it started included, and DIR is removed.
Any byte in the pipe asks COMMAND to end (SIGTERM). When COMMAND ends by itself, the rest of its group is killed too and its exit status is
passed on; DIR stays for the caller, who may want to read a log in it.
"""

import os
import select
import shutil
import signal
import subprocess
import sys


def main(arguments: list[str]) -> int:
    remove = None
    if arguments[:1] == ["--remove"]:
        remove, arguments = arguments[1], arguments[2:]

    # Signals wake the wait below: SIGCHLD when COMMAND ends, the others when somebody ends the guard.
    signalled, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)

    try:
        command = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"cannot start {arguments[0]}: {error}", file=sys.stderr)
        return 127

    stdin = sys.stdin.fileno()
    readable, _, _ = select.select([stdin, signalled], [], [])
    while stdin in readable and os.read(stdin, 1):
        os.kill(command.pid, signal.SIGTERM)
        readable, _, _ = select.select([stdin, signalled], [], [])
    # Not waited for yet, so the process id still belongs to COMMAND, even if it has ended.
    try:
        os.killpg(command.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # Nothing is left in the group; some systems say so with PermissionError.
    status = command.wait()
    if remove is not None and stdin in readable:
        shutil.rmtree(remove, ignore_errors=True)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
