"""Serves MiniStack on a free loopback port and writes that port into a file.

usage: serve.py PORT_FILE [RECORD_FILE]

With RECORD_FILE, writes into it what the requests would be billed for; see `record.py`.

MiniStack takes a port number and cannot be asked to pick one. So the socket is bound here, to port 0, before MiniStack
is imported (it reads its settings on import), and is handed to the web server it uses: no other process can take the
port in between.
"""

import asyncio
import os
import resource
import socket
import socketserver
import sys


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
