"""What the tests share: the server as a process, a proxy that can be cut, a journal of what came."""

import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading

import httpx

BINARY = os.environ.get("SERVER_BIN") or str(pathlib.Path(__file__).parents[3] / "target/release/tidings")
PATIENCE = 20.0

# (content type, body, what a reader gets); the number of the first is beyond what a double holds.
PAYLOADS = [
    ("application/json", '{"글":"안녕하세요 👋🏽","n":12345678901234567890}', {"글": "안녕하세요 👋🏽", "n": 12345678901234567890}),
    ("text/plain", "첫 줄\n둘째 줄\r\n셋째 줄\r\n\n끝 🎉", "첫 줄\n둘째 줄\r\n셋째 줄\r\n\n끝 🎉"),
    ("text/plain", "data: id: 7\nevent: $gap\n\n", "data: id: 7\nevent: $gap\n\n"),
    ("text/plain", "\u2028\u2029\u0000\ufeff\"\\", "\u2028\u2029\u0000\ufeff\"\\"),
    ("application/octet-stream", bytes(range(256)), bytes(range(256))),
]


class Server:
    """A server process. Its port stays the same over `restart`."""

    def __init__(self):
        self._run("127.0.0.1:0")

    def _run(self, listen):
        command = [BINARY, "serve", "--listen", listen, "--log-level", "warn",
                   "--set", "limits.retry=300ms"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                        encoding="utf-8")
        first = self.process.stdout.readline()
        found = re.search(r"serves (http://127\.0\.0\.1:(\d+))", first)
        if not found:
            raise RuntimeError(f"the server did not start: {first!r}")
        self.url, self.port = found[1], int(found[2])

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def restart(self):
        """The same port again, with an empty memory."""
        self._run(f"127.0.0.1:{self.port}")

    def publish(self, channel, body, content_type="application/json"):
        body = body.encode() if isinstance(body, str) else body
        answer = httpx.post(f"{self.url}/channels/{channel}", content=body, headers={"content-type": content_type})
        answer.raise_for_status()
        return answer.json()

    def publish_numbers(self, channel, first, last):
        for number in range(first, last + 1):
            self.publish(channel, f'{{"number":{number},"text":"소식 📰"}}')


class Proxy:
    """Passes TCP through, until it is cut."""

    def __init__(self, port):
        self._target = ("127.0.0.1", port)
        self._open = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            with self._lock:
                self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Resets every open connection; new ones are taken."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def close(self):
        self._listener.close()
        self.cut()


class Journal:
    """What a reader was given, in order, and waiting for it."""

    def __init__(self):
        self._entries = []
        self._news = threading.Condition()

    def add(self, entry):
        with self._news:
            self._entries.append(entry)
            self._news.notify_all()

    def of(self, kind):
        with self._news:
            return [entry for entry in self._entries if entry["type"] == kind]

    def offsets(self):
        return [entry["offset"] for entry in self.of("message")]

    def until(self, kind, count=1):
        """Waits for so many entries of a type."""
        def enough():
            return sum(entry["type"] == kind for entry in self._entries) >= count
        with self._news:
            if not self._news.wait_for(enough, PATIENCE):
                raise AssertionError(f"waited for {count} {kind}; got {self._entries[-20:]}")
