"""Readers made of packages that many use. Each comes back with the position it has, in the way that
its transport has for it, and fills a journal with envelopes."""

import base64
import json
import threading

import httpx
import httpx_sse
import sseclient
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from support import Journal

PAUSE = 0.1


class Reader:
    """One thread that reads, and comes back whenever the connection ends."""

    def __init__(self, base, channel):
        self.journal = Journal()
        self.connects = 0
        self.place = None
        self._url = f"{base}/channels/{channel}"
        self._channel = channel
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            try:
                self.read()
            except (OSError, httpx.HTTPError, WebSocketException):
                pass  # Cut: come back.
            self._stop.wait(PAUSE)

    def stop(self):
        """No more connections. The last one ends with the server or the proxy."""
        self._stop.set()

    def take(self, envelope):
        if envelope.get("encoding") == "base64":
            envelope["data"] = base64.b64decode(envelope["data"])
        self.journal.add(envelope)


class Events(Reader):
    """PyPI `httpx-sse`: Last-Event-ID is the id of the last event."""

    def read(self):
        headers = {"last-event-id": self.place} if self.place else {}
        with httpx.Client(timeout=30) as client, httpx_sse.connect_sse(client, "GET", self._url, headers=headers) as source:
            source.response.raise_for_status()
            self.connects += 1
            for event in source.iter_sse():
                self.place = event.id or self.place
                self.take(json.loads(event.data))


class PlainEvents(Reader):
    """PyPI `sseclient-py` over an HTTP response."""

    def read(self):
        headers = {"accept": "text/event-stream"} | ({"last-event-id": self.place} if self.place else {})
        with httpx.stream("GET", self._url, headers=headers, timeout=30) as response:
            response.raise_for_status()
            self.connects += 1
            for event in sseclient.SSEClient(response.iter_bytes()).events():
                self.place = event.id or self.place
                self.take(json.loads(event.data))


class BodyEvents(Reader):
    """Server-Sent Events as the answer to a POST, for networks that buffer GET streams."""

    def read(self):
        base = self._url.split("/channels/")[0]
        channel = {"name": self._channel} | ({"after": self.place} if self.place else {})
        headers = {"accept": "text/event-stream"}
        with httpx.stream("POST", f"{base}/read", json={"channels": [channel]}, headers=headers, timeout=30) as response:
            response.raise_for_status()
            self.connects += 1
            for event in sseclient.SSEClient(response.iter_bytes()).events():
                self.place = event.id or self.place
                self.take(json.loads(event.data))


class Socket(Reader):
    """PyPI `websockets`: `after=` the last position."""

    def read(self):
        url = self._url.replace("http", "ws", 1) + (f"?after={self.place}" if self.place else "")
        with connect(url, subprotocols=["tidings.v1"], compression="deflate") as socket:
            self.connects += 1
            for frame in socket:
                envelope = self.envelope(frame)
                place = envelope["channels"][self._channel] if envelope["type"] == "hello" else envelope
                offset = place.get("offset", place.get("to"))
                if "epoch" in place:
                    self.place = f"{place['epoch']}-{offset}"
                self.take(envelope)

    @staticmethod
    def envelope(frame):
        if isinstance(frame, str):
            return json.loads(frame)
        end = 2 + int.from_bytes(frame[:2], "big")
        return json.loads(frame[2:end]) | {"data": frame[end:]}


class Polls(Reader):
    """Long polls with PyPI `httpx`, from cursor to cursor."""

    def read(self):
        query = {"wait": "20", "after": self.place} if self.place else {}
        with httpx.Client(timeout=30) as client:
            answer = client.get(self._url, params=query)
            answer.raise_for_status()
            self.connects += 1
            answer = answer.json()
            for envelope in answer["messages"]:
                self.take(envelope)
            if self.place is None:
                self.journal.add({"type": "hello"})
            self.place = answer["cursor"]


ALL = [Events, PlainEvents, BodyEvents, Socket, Polls]
