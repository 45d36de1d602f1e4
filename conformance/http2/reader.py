"""Reads a channel as SSE over HTTP/2 and TLS with httpx, which speaks it by the library h2.

    reader.py URL CERTIFICATE

Messages of several sizes are published on the same connection while it reads; all must come, in order.
"""

import json
import ssl
import sys

import httpx

SIZES = [0, 1, 1_000, 20_000, 65_000]


def main():
    url, certificate = sys.argv[1:]
    trusted = ssl.create_default_context(cafile=certificate)
    with httpx.Client(http1=False, http2=True, verify=trusted, timeout=20) as client:
        channel = f"{url}/channels/python"
        texts = [f"{at}:{'소' * (size // 3)}" for at, size in enumerate(SIZES * 20)]
        with client.stream("GET", f"{channel}?transport=sse") as stream:
            assert stream.http_version == "HTTP/2" and stream.status_code == 200, stream
            lines = stream.iter_lines()
            # A message is published when the one before it has come.
            for text in [None, *texts]:
                if text is not None:
                    publish(client, channel, text)
                got = next_data(lines, "hello" if text is None else "message")
                assert text is None or got["data"] == text, got
    print(f"{len(texts)} messages came over HTTP/2")


def publish(client, channel, text):
    answer = client.post(channel, content=text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})
    assert answer.status_code == 200 and answer.http_version == "HTTP/2", answer.text


def next_data(lines, kind):
    for line in lines:
        if line.startswith("data: "):
            data = json.loads(line.removeprefix("data: "))
            if data["type"] == kind:
                return data
    raise EOFError("the stream ended")


main()
