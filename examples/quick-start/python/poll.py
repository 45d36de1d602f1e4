"""Follows a channel by long polling: each request waits up to 30 s for something after the last answer's cursor."""

import os
import time

import httpx

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8000") + "/channels/room:7"


def follow(cursor="earliest"):
    with httpx.Client(timeout=40) as client:
        while True:
            try:
                answer = client.get(URL, params={"after": cursor, "wait": 30}).raise_for_status().json()
            except httpx.HTTPStatusError as error:
                if error.response.is_client_error:
                    raise  # asking again would not help
                time.sleep(2)
                continue
            except httpx.TransportError:
                time.sleep(2)
                continue
            yield from answer["messages"]
            cursor = answer["cursor"]
            if answer.get("closed"):
                return


if __name__ == "__main__":
    for entry in follow():
        if entry["type"] == "message":
            print(entry["offset"], entry["data"], flush=True)
        elif entry["type"] == "gap":
            print("lost up to", entry["to"], entry["reason"], flush=True)
