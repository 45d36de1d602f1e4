#!/usr/bin/env python3
"""Interleaved runs of the spikes: `measure.py fanout|hold [repetitions]`, tables on stdout.

Server on core 0, load on core 1; both real-time (chrt) if the system allows, so that other work
on the machine does not mix in. Raw lines go to results/.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")) / "release"
RT = ["chrt", "-r", "10"] if subprocess.run(["chrt", "-r", "10", "true"]).returncode == 0 else []

PLANS = {
    "fanout": {
        "load": "load",
        "modes": ["floor", "tasks-ct", "tasks-sliced", "workers", "tasks-mt", "tasks-mt-sliced", "library", "library-mt"],
        "sizes": [1000, 9900],
    },
    "hold": {
        "load": "hold_load",
        "modes": ["sse-hyper", "sse-hijack", "poll-hyper", "poll-hijack"],
        "sizes": [9900],
    },
}


def run(plan, kind, mode, size, port):
    server = subprocess.Popen(["taskset", "-c", "0", *RT, BIN / kind, mode, str(port)])
    try:
        while b":%04X" % port not in pathlib.Path("/proc/net/tcp").read_bytes():
            time.sleep(0.01)
        command = ["taskset", "-c", "1", *RT, BIN / plan["load"]]
        arguments = [server.pid, port, size, os.environ.get("SECONDS_EACH", "3")] + ([mode] if kind == "hold" else [])
        done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{mode} {size}: {done.stderr[-600:]}")
        return [dict(pair.split("=") for pair in line.split()) for line in done.stdout.splitlines()]
    finally:
        server.kill()
        server.wait()


def collect(kind, repetitions, modes):
    plan = PLANS[kind]
    raw, port = {}, 20000
    log = HERE / "results"
    log.mkdir(exist_ok=True)
    with open(log / f"{kind}.txt", "a") as out:
        for repetition in range(repetitions):
            for size in plan["sizes"]:
                for mode in modes or plan["modes"]:
                    port += 1
                    for row in run(plan, kind, mode, size, port):
                        print(kind, repetition, mode, row, file=out, flush=True)
                        for key, value in row.items():
                            if key not in ("phase", "readers"):
                                raw.setdefault((size, row["phase"], key, mode), []).append(float(value))
    return raw


def table(raw):
    """Median (min-max) of each figure, one line per size, phase and figure."""
    for size, phase, key in dict.fromkeys(k[:3] for k in raw):
        print(f"\n{size} connections, {phase}, {key}")
        for (s, p, k, mode), values in raw.items():
            if (s, p, k) == (size, phase, key):
                middle = statistics.median(values)
                print(f"  {mode:12} {middle:12.3f}  ({min(values):.3f}-{max(values):.3f})")


if __name__ == "__main__":
    _, which, *rest = sys.argv
    table(collect(which, int(rest[0]) if rest else 3, rest[1:]))
