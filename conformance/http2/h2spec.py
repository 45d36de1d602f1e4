"""Runs h2spec, all its cases and the strict ones too, and judges what it found.

    h2spec.py H2SPEC PORT clear|tls

A case that fails is one failure, unless it is among those below. The last line is "N passed, M failed".
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

# A poll: a GET is answered at once, a POST when its body is there.
PATH = "/channels/h2spec"
CASES = 146

# What is meant to be as it is, by section and number.
MEANT = {
    "clear": {
        "http2/3.5/2": "without TLS, what is not HTTP/2's preface is HTTP/1.1, and is answered 400 and"
        " closed in its words; RFC 9113 section 3.4 lets a server leave out the GOAWAY",
    },
    "tls": {},
}

# These begin a GET without ending it, which is refused at once, and go on to break a rule. When the answer
# was quicker the stream has ended by then, and what is sent on a stream that the server has reset is
# ignored (RFC 9113 section 5.1). So it is enough if the rule was seen to be kept once.
RACES = {
    "http2/5.1/8": "DATA behind RST_STREAM",
    "http2/5.1/9": "HEADERS behind RST_STREAM",
    "http2/6.9.1/3": "a window over 2^31 on a stream",
}
TRIES = 40


def run(h2spec, port, tls, *cases):
    """The verdict on each case: what was wrong, or None."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-t", "-k"] if tls else []
        command = [h2spec, "-h", "127.0.0.1", "-p", port, "-P", PATH, "-S", "-o", "3", "-j", report, *options, *cases]
        subprocess.run(command, stdout=subprocess.DEVNULL, timeout=600, check=False)
        suites = ElementTree.parse(report).getroot()
    verdicts = {}
    for suite in suites.iter("testsuite"):
        for number, case in enumerate(suite.iter("testcase"), 1):
            wrong = case.find("error")
            words = f"{case.get('classname')}: {' '.join(wrong.text.split())}" if wrong is not None else None
            verdicts[f"{suite.get('package')}/{number}"] = words
    return verdicts


def passes_once(h2spec, port, tls, case):
    return any(not any(run(h2spec, port, tls, case).values()) for _ in range(TRIES))


def main():
    h2spec, port, carrier = sys.argv[1:]
    tls = carrier == "tls"
    verdicts = run(h2spec, port, tls)
    passed = failed = 0
    for case, wrong in verdicts.items():
        if wrong is None:
            passed += 1
        elif case in MEANT[carrier]:
            print(f"     {carrier}: {case} is meant to be so: {MEANT[carrier][case]}")
        elif case in RACES and passes_once(h2spec, port, tls, case):
            passed += 1
            print(f"     {carrier}: {case} passed when tried again: {RACES[case]}")
        else:
            failed += 1
            print(f"FAIL {carrier}: {case}: {wrong}")
    if len(verdicts) != CASES:
        failed += 1
        print(f"FAIL {carrier}: h2spec has {len(verdicts)} cases, not {CASES}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
