"""Serves MiniStack on a free loopback port and writes that port into a file.

usage: serve.py PORT_FILE [RECORD_FILE]

With RECORD_FILE, writes into it what the requests would be billed for; see `record.py`.

MiniStack takes a port number and cannot be asked to pick one. So the socket is bound here, to port 0, before MiniStack
is imported (it reads its settings on import), and is handed to the web server it uses: no other process can take the
port in between.
"""

import asyncio
import functools
import os
import resource
import socket
import socketserver
import sys
import time

EVALUATE_ALARMS_SECS = 1
EVICT_METRICS_SECS = 60


def now_and_then(work, seconds):
    """Does `work` at most once in so many seconds; a call in between is made up for at their end."""
    due = 0.0
    waiting = False

    @functools.wraps(work)
    def do():
        nonlocal due, waiting
        wait = due - time.monotonic()
        if waiting or wait > 0:
            if not waiting:
                waiting = True
                asyncio.get_running_loop().call_later(wait, make_up)
            return
        work()
        # From its end, so that a slow one leaves time for requests.
        due = time.monotonic() + seconds

    def make_up():
        nonlocal waiting
        waiting = False
        do()

    return do


def spare_cloudwatch():
    """MiniStack goes through all data points with each request of CloudWatch, and through all alarms with each PutMetricData.

    With some orders per second that takes all of its time after a few minutes, and nothing else is answered any more.
    """
    from ministack.services import cloudwatch

    cloudwatch._evict_old_metrics = now_and_then(cloudwatch._evict_old_metrics, EVICT_METRICS_SECS)
    cloudwatch._evaluate_all_alarms = now_and_then(cloudwatch._evaluate_all_alarms, EVALUATE_ALARMS_SECS)


def main(port_file: str, record_file: str | None = None) -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    os.environ["GATEWAY_PORT"] = str(port)
    # Every function inherits this; MiniStack leaves them without an endpoint when it is not set.
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            pass  # Some systems report a limit that they do not accept. The soft one serves.

    # MiniStack's Runtime API writes the headers and the body of an event apart. With Nagle's algorithm the body waits
    # for the acknowledgement of the headers, which adds 40 to 100 ms to every invocation.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True

    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    spare_cloudwatch()

    if record_file:
        # Started with -I, so that the folder of this file is not on the path.
        sys.path.append(os.path.dirname(os.path.abspath(__file__)))
        import record

        record.start(record_file)

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"

    unfinished = port_file + ".new"
    with open(unfinished, "w") as file:
        file.write(str(port))
    os.rename(unfinished, port_file)
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main(*sys.argv[1:])
