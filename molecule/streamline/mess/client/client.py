"""What the containers of the mess do: serve a port, keep pools open, poll. All at once, as long as the container runs.

    client.py serve:PORT           answer whoever connects
    client.py pool:HOST:PORT       three connections that stay open, each used every quarter of a second, without a time-out:
                                   5432 inserts a row into `ticks`, 6379 counts `ticks` up; one that breaks is opened again by name
    client.py poll:HOST:PORT       every 50 ms a connection of its own with a question, with three seconds to connect

Every poll and every use of a connection is a line of JSON on stdout: who, when it began (seconds since 1970), how long it took, and
the error if it failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator

from ansible_collections.auren.stack.plugins.module_utils.probes import postgres, redis

EVERY, USED_EVERY = 0.05, 0.25
CONNECT = 3.0
POOL = 3  # connections
QUESTIONS = {5432: struct.pack("!2I", 8, 80877103), 6379: redis.command("PING")}  # 80877103: SSLRequest
GET = b"GET / HTTP/1.0\r\n\r\n"


def tell(who: str, began: float, error: str = "") -> None:
    line = json.dumps({"who": who, "began": round(began, 4), "took": round(time.time() - began, 4), "error": error})
    os.write(1, f"{line}\n".encode())  # one call, so that threads do not mix their lines


class Answer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            if self.request.recv(1024):
                self.request.sendall(b"HTTP/1.0 200 OK\r\n\r\nhere\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128


def serve(port: int) -> None:
    Server(("", port), Answer).serve_forever()


# --- a pool -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(host: str, port: int) -> Iterator[Callable[[], None]]:
    """A connection, logged in; what is yielded uses it once. Raises OSError or LoginError when it cannot, there as here."""
    with socket.create_connection((host, port), timeout=CONNECT) as connection:
        if port == 5432:
            session = postgres.over(connection, "auren", "mess", "auren")
            connection.settimeout(None)
            yield lambda: session.execute("INSERT INTO ticks DEFAULT VALUES")
        else:
            connection.settimeout(None)
            yield lambda: count_up(connection)


def count_up(connection: socket.socket) -> None:
    connection.sendall(redis.command("INCR", "ticks"))
    if not connection.recv(64):
        raise OSError("closed by the server")


def keep(host: str, port: int, number: int) -> None:
    who = f"pool {host} {number}"
    while True:
        began = time.time()
        try:
            with opened(host, port) as use:
                while True:
                    began = time.time()
                    use()
                    tell(who, began)
                    time.sleep(USED_EVERY)
        except (OSError, postgres.LoginError) as error:
            tell(who, began, f"{type(error).__name__}: {error}")
            time.sleep(USED_EVERY)


def pool(host: str, port: int) -> None:
    for number in range(POOL):
        threading.Thread(target=keep, args=(host, port, number), daemon=True).start()


# --- polls --------------------------------------------------------------------------------------------------------------


def ask(host: str, port: int) -> None:
    began, error, address = time.time(), "", "no address"
    try:
        address = socket.gethostbyname(host)
        with socket.create_connection((address, port), timeout=CONNECT) as connection:
            connection.sendall(QUESTIONS.get(port, GET))
            error = "" if connection.recv(64) else f"{address} closed without an answer"
    except OSError as problem:
        error = f"{address}: {type(problem).__name__}: {problem}"
    tell(f"poll {host}:{port}", began, error)


def poll(host: str, port: int) -> None:
    """None waits for the one before it."""
    turn = time.monotonic()
    while True:
        threading.Thread(target=ask, args=(host, port), daemon=True).start()
        turn += EVERY
        time.sleep(max(turn - time.monotonic(), 0))


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # else a thread may take it, and nothing wakes this one
    for word in sys.argv[1:]:
        what, *where = word.split(":")
        work = {"serve": serve, "pool": pool, "poll": poll}[what]
        arguments = (*where[:-1], int(where[-1]))
        threading.Thread(target=work, args=arguments, daemon=True).start()
    signal.sigwait({signal.SIGTERM})
    os._exit(0)


if __name__ == "__main__":
    main()
