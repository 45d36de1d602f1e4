"""Publishes messages. Each has a key, so that it can be sent again without coming twice."""

import os
import uuid

import httpx

URL = os.environ.get("TIDINGS_URL", "http://127.0.0.1:8000") + "/channels/room:7"


def publish(data):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    with httpx.Client(transport=httpx.HTTPTransport(retries=3)) as client:
        return client.post(URL, json=data, headers=key).raise_for_status().json()


if __name__ == "__main__":
    print(publish({"text": "안녕 from Python"}))
