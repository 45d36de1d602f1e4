"""Follows a channel by Server-Sent Events. Cut, it comes back and goes on after the last event that it got."""

import json
import os
import time

import httpx

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8000") + "/channels/room:7"
TIMEOUT = httpx.Timeout(10, read=60)  # longer than the heartbeat of 25 s


def blocks(answer):
    """The events as they stand on the wire. Not `iter_lines`: it splits at characters that payloads may hold."""
    rest = ""
    for text in answer.iter_text():
        *whole, rest = (rest + text).split("\n\n")
        yield from whole


def follow(last_id=""):
    """Yields (name, frame): messages without a name as `message`, gaps as `$gap`."""
    retry = 2.0
    while True:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last_id}
        try:
            with httpx.stream("GET", URL, params={"last": 10}, headers=headers, timeout=TIMEOUT) as answer:
                if answer.raise_for_status().status_code == 204:
                    return  # the channel has ended
                for block in blocks(answer):
                    fields = [line.partition(": ")[::2] for line in block.split("\n")]
                    event = dict(fields)
                    last_id = event.get("id", last_id)
                    retry = int(event.get("retry", retry * 1000)) / 1000
                    yield event.get("event", "message"), json.loads("\n".join(value for name, value in fields if name == "data"))
        except httpx.HTTPStatusError as error:
            if error.response.is_client_error:
                raise  # asking again would not help
        except httpx.TransportError as error:
            print("cut:", type(error).__name__, flush=True)
        time.sleep(retry)


if __name__ == "__main__":
    for name, frame in follow():
        if not name.startswith("$"):
            print(frame["offset"], frame["data"], flush=True)
        elif name == "$gap":
            print("lost up to", frame["to"], frame["reason"], flush=True)
