"""Publishes a message four times a second and reads it on a stream, until it is told to end.

    probe.py URL

The last line says how it went; the exit status is 1 if a message did not come, or came late. Nothing but
sockets: every publish is a connection of its own, as a backend's may be.
"""

import signal
import socket
import sys
import time
from urllib.parse import urlsplit

INTERVAL = 0.25
PATIENCE = 2.0


class End(Exception):
    """SIGTERM came."""


def end(*_):
    raise End


def connect(address):
    return socket.create_connection(address, timeout=PATIENCE)


def publish(address, text):
    body = text.encode()
    head = f"POST /channels/probe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with connect(address) as connection:
        connection.sendall(head.encode() + body)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise OSError(f"a publish was answered {answer[:80]!r}")


def follow(address):
    stream = connect(address)
    head = "GET /channels/probe?transport=sse&format=raw HTTP/1.1\r\nHost: localhost\r\n\r\n"
    stream.sendall(head.encode())
    lines = stream.makefile("rb")
    until(lines, b"$hello")
    return lines


def until(lines, text):
    """Reads up to the line that holds the text."""
    while line := lines.readline():
        if text in line:
            return
    raise OSError("the stream ended")


def main():
    url = urlsplit(sys.argv[1])
    address = (url.hostname, url.port)
    signal.signal(signal.SIGTERM, end)
    rounds, slowest = 0, 0.0
    try:
        lines = follow(address)
        while True:
            began = time.monotonic()
            text = f"probe-{rounds}-end"
            publish(address, text)
            until(lines, text.encode())
            took = time.monotonic() - began
            rounds, slowest = rounds + 1, max(slowest, took)
            time.sleep(max(0.0, INTERVAL - took))
    except End:
        print(f"{rounds} messages went through, the slowest in {slowest * 1000:.0f} ms")
        sys.exit(0 if rounds else 1)
    except OSError as error:
        print(f"after {rounds} messages: {error}")
        sys.exit(1)


main()
