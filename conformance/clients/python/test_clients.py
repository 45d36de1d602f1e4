"""Packages of Python against the server."""

import signal
import unittest

import httpx
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from readers import ALL, Socket
from support import PAYLOADS, Proxy, Server


def up_to(count):
    return list(range(1, count + 1))


class Clients(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.kill)

    def follow(self, kind, base, channel):
        reader = kind(base, channel)
        self.addCleanup(reader.stop)
        reader.journal.until("hello")
        return reader

    def payloads(self, kind):
        reader = self.follow(kind, self.server.url, "페이로드")
        for content_type, body, _ in PAYLOADS:
            self.server.publish("페이로드", body, content_type)
        reader.journal.until("message", len(PAYLOADS))
        self.assertEqual(reader.journal.offsets(), up_to(len(PAYLOADS)))
        for message, (_, _, expected) in zip(reader.journal.of("message"), PAYLOADS):
            self.assertEqual(message["data"], expected)

    def cuts(self, kind):
        proxy = Proxy(self.server.port)
        self.addCleanup(proxy.close)
        reader = self.follow(kind, proxy.url, "cut")
        for done in range(0, 100, 20):
            self.server.publish_numbers("cut", done + 1, done + 10)
            proxy.cut()
            self.server.publish_numbers("cut", done + 11, done + 20)
            reader.journal.until("message", done + 20)
        self.assertEqual(reader.journal.offsets(), up_to(100))
        self.assertEqual([m["data"]["number"] for m in reader.journal.of("message")], up_to(100))
        self.assertEqual(reader.journal.of("gap"), [])
        self.assertGreaterEqual(reader.connects, 6)

    def restart(self, kind):
        reader = self.follow(kind, self.server.url, "lost")
        self.server.publish_numbers("lost", 1, 3)
        reader.journal.until("message", 3)
        self.server.kill()
        self.server.restart()
        self.server.publish_numbers("lost", 4, 6)
        reader.journal.until("message", 6)
        self.assertEqual(reader.journal.offsets(), [1, 2, 3, 1, 2, 3])
        messages = reader.journal.of("message")
        gaps = reader.journal.of("gap")
        self.assertEqual([gap["reason"] for gap in gaps], ["epoch_changed"])
        self.assertEqual(gaps[0]["epoch"], messages[3]["epoch"])
        self.assertNotEqual(gaps[0]["epoch"], messages[0]["epoch"])

    def test_metrics_are_read_by_prometheus_own_parser(self):
        self.server.publish_numbers("counted", 1, 5)
        answer = httpx.get(f"{self.server.url}/metrics")
        self.assertTrue(answer.headers["content-type"].startswith("application/openmetrics-text"))
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        self.assertEqual(families["tidings_ephemeral"].samples[0].value, 0)
        # The figures of the server itself are messages, too: five and one each second.
        self.assertGreaterEqual(families["tidings_published"].samples[0].value, 5)
        transports = {sample.labels["transport"] for sample in families["tidings_readers"].samples}
        self.assertEqual(transports, {"poll", "long-poll", "sse", "websocket"})
        for family in families.values():
            self.assertTrue(family.documentation, family.name)

    def test_websockets_raw_echo(self):
        with connect(f"ws://127.0.0.1:{self.server.port}/channels/raw?format=raw", open_timeout=5) as socket:
            for payload in ("있는 그대로 🍵", bytes([0, 255])):
                socket.send(payload)
                self.assertEqual(socket.recv(timeout=10), payload)

    def test_websockets_is_told_of_an_orderly_end(self):
        with connect(f"ws://127.0.0.1:{self.server.port}/channels/end") as socket:
            hello = Socket.envelope(socket.recv(timeout=10))
            self.assertEqual(hello["type"], "hello")
            self.server.process.send_signal(signal.SIGTERM)
            said = [Socket.envelope(frame)["type"] for frame in self.rest(socket)]
            self.assertEqual(said, ["reconnect"])
            self.assertEqual(socket.close_code, 1001)

    @staticmethod
    def rest(socket):
        """What is said until the end, however it ends."""
        try:
            while True:
                yield socket.recv(timeout=10)
        except ConnectionClosed:
            return


class Document(unittest.TestCase):
    def test_openapi(self):
        """PyPI `openapi-spec-validator`: /openapi.json is OpenAPI 3.1"""
        server = Server()
        self.addCleanup(server.kill)
        document = httpx.get(f"{server.url}/openapi.json").json()
        self.assertEqual(document["openapi"][:3], "3.1")
        self.assertEqual([error.message for error in OpenAPIV31SpecValidator(document).iter_errors()], [])


def add_tests():
    for kind in ALL:
        for name in ("payloads", "cuts", "restart"):
            def test(self, kind=kind, name=name):
                getattr(self, name)(kind)
            test.__doc__ = f"{kind.__name__}: {name}"
            setattr(Clients, f"test_{kind.__name__}_{name}", test)


add_tests()

if __name__ == "__main__":
    unittest.main(verbosity=2)
