"""TLS handshakes that are broken, slow, or cut into pieces, against a server of one's own.

    handshakes.py URL CERTIFICATE HEAD_SECONDS

Each must be served, refused, or ended by the deadline for heads, and be counted if it failed; at the end
nobody is connected and nothing has panicked. The last line is "N passed, M failed".
"""

import os
import socket
import ssl
import sys
import time
from urllib.parse import urlsplit

HANDSHAKE, ALERT, CHANGE_CIPHER_SPEC, DATA = 22, 21, 20, 23
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
# Longer than anything but a deadline takes.
PATIENCE = 30

url, certificate, head_seconds = urlsplit(sys.argv[1]), sys.argv[2], float(sys.argv[3])
trusted = ssl.create_default_context(cafile=certificate)
passed = failed = 0


def check(what, good, seen=""):
    global passed, failed
    if good:
        passed += 1
        print(f"ok   {what}")
    else:
        failed += 1
        print(f"FAIL {what}: {seen!r}")


def connect():
    raw = socket.create_connection((url.hostname, url.port), timeout=PATIENCE)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


def context(alpn=(), newest=ssl.TLSVersion.TLSv1_3):
    made = ssl.create_default_context(cafile=certificate)
    made.maximum_version = newest
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


class Client:
    """TLS whose bytes go through `cut` on their way to the server."""

    def __init__(self, cut, **options):
        self.raw = connect()
        self.cut = cut
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context(**options).wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def send(self):
        for piece in self.cut(self.outgoing.read()):
            self.raw.sendall(piece)

    def until(self, step):
        while True:
            try:
                done = step()
                self.send()
                return done
            except ssl.SSLWantReadError:
                self.send()
                data = self.raw.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()

    def fetch(self):
        """The answer to a request; an OSError (ssl.SSLError is one) if there is none."""
        self.until(self.tls.do_handshake)
        self.tls.write(REQUEST)
        self.send()
        return self.until(lambda: self.tls.read(65536))


def record(kind, payload, version=b"\x03\x01"):
    return bytes([kind]) + version + len(payload).to_bytes(2, "big") + payload


def records(data):
    """The records of bytes that are whole: kind and payload."""
    while data:
        length = 5 + int.from_bytes(data[3:5], "big")
        yield data[0], data[5:length]
        data = data[length:]


def client_hello(**options):
    outgoing = ssl.MemoryBIO()
    tls = context(**options).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


def in_records_of(size):
    """Every handshake record as many, of `size` bytes each (RFC 8446 section 5.1)."""

    def cut(data):
        for kind, payload in records(data):
            pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
            yield b"".join(record(kind, piece) for piece in (pieces if kind == HANDSHAKE else [payload]))

    return cut


def metric(name):
    with trusted.wrap_socket(connect(), server_hostname="localhost") as tls:
        tls.sendall(REQUEST.replace(b"/healthz", b"/metrics"))
        answer = b""
        while data := tls.recv(65536):
            answer += data
    line = next(line for line in answer.decode().splitlines() if line.startswith(f"{name} "))
    return int(line.split()[1])


def errors():
    return metric("tidings_tls_errors_total")


def until(what, value, name):
    end = time.monotonic() + PATIENCE
    while (seen := metric(name)) != value and time.monotonic() < end:
        time.sleep(0.05)
    check(what, seen == value, seen)


def rest(raw):
    """What the server still says, to its end; a reset is one."""
    said = b""
    try:
        while data := raw.recv(65536):
            said += data
    except ConnectionError:
        pass
    return said


def served(what, cut, **options):
    try:
        answer = Client(cut, **options).fetch()
        check(what, answer.startswith(b"HTTP/1.1 200 "), answer)
    except OSError as error:
        check(what, False, error)


def pieces():
    every = lambda size: lambda data: [data[at : at + size] for at in range(0, len(data), size)]
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        name = version.name
        for size in (1, 2, 3, 5, 100):
            served(f"{name}: all in pieces of {size}", every(size), newest=version)
    hello = client_hello()
    for at in (1, 4, 5, 6, 9, 10, 43, len(hello) - 1):
        served(f"ClientHello cut at {at}", lambda data, at=at: [data[:at], data[at:]])
    # Whether it is put together or refused, nothing may break (RUSTSEC-2024-0336, RUSTSEC-2024-0399).
    for size in (1, 2, 7, 64):
        try:
            answer = Client(in_records_of(size)).fetch()
            check(f"ClientHello in records of {size}", answer.startswith(b"HTTP/1.1 200 "), answer)
        except ssl.SSLError as error:
            check(f"ClientHello in records of {size} is refused", "alert" in str(error).lower(), error)


def broken():
    """What is no handshake: ended at once, and counted."""
    hello = client_hello()
    _, whole = next(records(hello))
    random = os.urandom(2_000)
    cases = {
        "zeros": bytes(2_000),
        "noise": b"\x80" + random,
        "small letters": b"get / http/1.1\r\n\r\n",
        "SSLv2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + random[:46],
        "a record that is too large": bytes([HANDSHAKE, 3, 1, 0xFF, 0xFF]) + bytes(70_000),
        "an empty record": record(HANDSHAKE, b""),
        "an empty record in the middle": record(HANDSHAKE, whole[:50]) + record(HANDSHAKE, b"") + record(HANDSHAKE, whole[50:]),
        "data first": record(DATA, b"hello"),
        "an unknown kind of record": record(99, b"hello"),
        "no ClientHello": record(HANDSHAKE, b"\x02\x00\x00\x05hello"),
        "a ClientHello of 16 MiB": record(HANDSHAKE, b"\x01\xff\xff\xff" + bytes(16_000)) * 8,
        "a ClientHello that is cut short": record(HANDSHAKE, b"\x01\x00\x00\x02\x03\x03"),
        "a ClientHello with noise in it": hello[:60] + random[: len(hello) - 60],
        "TLS 1.1 at most": record(HANDSHAKE, b"\x01\x00\x00\x2b\x03\x02" + random[:32] + b"\0\0\x02\xc0\x09\x01\0\0\0"),
        "two alerts": record(ALERT, b"\x01\x5a") * 2,
        "a fatal alert": record(ALERT, b"\x02\x28"),
        "a close": record(ALERT, b"\x01\x00"),
        "a thousand changes of the cipher": record(CHANGE_CIPHER_SPEC, b"\x01") * 1_000,
        "a close behind the ClientHello": hello + record(ALERT, b"\x01\x00"),
        "data behind the ClientHello": hello + record(DATA, random),
        "a second ClientHello": hello + hello,
        "an end behind the ClientHello": hello,
        "an end within the ClientHello": hello[:100],
        "an end at once": b"",
    }
    for name, data in cases.items():
        before, began = errors(), time.monotonic()
        raw = connect()
        try:
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It had seen enough.
        said = rest(raw)
        took = time.monotonic() - began
        in_time = took < head_seconds + 5
        check(f"{name}: ended", in_time and not said.startswith(b"HTTP"), (took, said[:80]))
        until(f"{name}: counted", before + 1, "tidings_tls_errors_total")


def closed_halfway():
    """close_notify when the server has said its part and waits for ours."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        before = errors()
        raw = connect()
        raw.sendall(client_hello(newest=version))
        check(f"{version.name}: the server answers a ClientHello", raw.recv(5)[:1] == bytes([HANDSHAKE]))
        raw.sendall(record(ALERT, b"\x01\x00", b"\x03\x03"))
        rest(raw)
        until(f"{version.name}: a close halfway is counted", before + 1, "tidings_tls_errors_total")


def plain():
    """HTTP in clear is told how to speak here."""
    for name, data in {
        "a request": REQUEST,
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        "a request by the byte": REQUEST,
        "a large request": REQUEST.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 15_000 + b"\r\n\r\n"),
    }.items():
        before = errors()
        raw = connect()
        for piece in [bytes([byte]) for byte in data] if "byte" in name else [data]:
            try:
                raw.sendall(piece)
            except OSError:
                break  # It had seen enough.
        said = rest(raw)
        check(f"{name} in clear: told", said.startswith(b"HTTP/1.1 400 ") and b"https://" in said, said)
        until(f"{name} in clear: counted", before + 1, "tidings_tls_errors_total")


def silent():
    """Handshakes that are never finished: all end by the deadline, and others are served meanwhile."""
    hello = client_hello()
    before, count = errors(), 0
    opened = []
    for said in [b"", hello[:1], hello[:100], hello[:-1], hello] * 40:
        raw = connect()
        raw.sendall(said)
        opened.append(raw)
        count += 1
    began = time.monotonic()
    served("a handshake beside unfinished ones", lambda data: [data])
    check("it did not wait for them", time.monotonic() - began < head_seconds / 2, time.monotonic() - began)
    for raw in opened:
        rest(raw)
    took = time.monotonic() - began
    check("unfinished handshakes end by the deadline", head_seconds * 0.5 < took < head_seconds + 5, took)
    until("they are counted", before + count, "tidings_tls_errors_total")
    raw, began = connect(), time.monotonic()
    try:
        for byte in hello:
            raw.sendall(bytes([byte]))
            time.sleep(head_seconds / 100)
            if time.monotonic() - began > 3 * head_seconds:
                break
        said = rest(raw)
    except OSError:
        said = b""
    check("a slow ClientHello buys no time", time.monotonic() - began < 2 * head_seconds and not said, said)


def protocols():
    for offered, agreed in [
        (["h2", "http/1.1"], "h2"),
        (["http/1.1", "h2"], "h2"),
        (["h2"], "h2"),
        (["http/1.1"], "http/1.1"),
        (["spdy/3", "http/1.1"], "http/1.1"),
        ([], None),
    ]:
        with context(offered).wrap_socket(connect(), server_hostname="localhost") as tls:
            got = tls.selected_alpn_protocol()
            check(f"ALPN {offered}", got == agreed, got)
    before = errors()
    try:
        context(["spdy/3"]).wrap_socket(connect(), server_hostname="localhost").recv(1)
        check("ALPN of others is refused", False)
    except ssl.SSLError as error:
        check("ALPN of others is refused", "no application protocol" in str(error), error)
    until("and counted", before + 1, "tidings_tls_errors_total")


for part in (pieces, broken, closed_halfway, plain, silent, protocols):
    part()
check("no panic", metric("tidings_panics_total") == 0)
until("nobody is connected but who asks", 1, "tidings_connections")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
