"""Runs the Autobahn fuzzing client group by group and judges its verdicts.

Each group is a run of its own, so that a hang costs the group and not the rest; a case that was
asked for and has no verdict is a failure. Started by ./run.
"""

import argparse
import fnmatch
import json
import pathlib
import subprocess
import sys
import time

DEFAULT = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*"
GOOD = {"OK", "INFORMATIONAL"}
SOFT = "NON-STRICT"
GROUP_SECONDS = 900

LIST_CASES = """
import autobahntestsuite.case as case, json
print(json.dumps([c.__name__[len("Case"):].replace("_", ".") for c in case.Cases]))
"""


def all_cases(suite):
    """Every case that the suite knows, as dotted numbers."""
    out = subprocess.run([suite / "python", "-c", LIST_CASES], capture_output=True, text=True, check=True)
    return json.loads(out.stdout.splitlines()[-1])


def run_group(suite, url, cases, folder):
    """The verdicts of one run of the fuzzing client, by case."""
    folder.mkdir()
    spec = folder / "spec.json"
    spec.write_text(json.dumps({
        "outdir": str(folder),
        "servers": [{"agent": "tidings", "url": url}],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }))
    with open(folder / "log.txt", "w") as log:
        command = [suite / "wstest", "--mode", "fuzzingclient", "--spec", spec]
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                           timeout=GROUP_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            print(f"  given up after {GROUP_SECONDS} s", flush=True)
    index = folder / "index.json"
    return json.loads(index.read_text())["tidings"] if index.exists() else {}


def judge(verdict):
    """`passed`, `informational`, `non-strict` or `failed`."""
    both = {verdict["behavior"], verdict["behaviorClose"]}
    if not both <= GOOD | {SOFT}:
        return "failed"
    if SOFT in both:
        return "non-strict"
    return "informational" if verdict["behavior"] == "INFORMATIONAL" else "passed"


def group_of(case):
    """The first number; with the second one for compression, whose cases are a thousand messages each."""
    parts = case.split(".")
    return ".".join(parts[:2] if parts[0] in {"12", "13"} else parts[:1])


def number(case):
    return [int(part) for part in case.split(".")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", type=pathlib.Path, required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--report", type=pathlib.Path, required=True)
    parser.add_argument("--cases", default=DEFAULT)
    parser.add_argument("--strict", action="store_true")
    args = parser.parse_args()

    patterns = args.cases.split(",")
    wanted = [case for case in all_cases(args.suite) if any(fnmatch.fnmatchcase(case, p) for p in patterns)]
    if not wanted:
        sys.exit(f"no case matches {args.cases}")

    groups = {}
    for case in wanted:
        groups.setdefault(group_of(case), []).append(case)
    verdicts = {}
    for group, cases in groups.items():
        began = time.monotonic()
        got = run_group(args.suite, args.url, cases, args.report / f"group{group}")
        verdicts.update(got)
        print(f"  {group + '.*':6} {len(got):3} of {len(cases):3} cases, {time.monotonic() - began:.0f} s", flush=True)

    results = {case: judge(verdicts[case]) if case in verdicts else "missing" for case in wanted}
    kinds = ["passed", "informational", "non-strict", "failed", "missing"]
    count = {kind: sum(result == kind for result in results.values()) for kind in kinds}
    for case in sorted(results, key=number):
        if results[case] in kinds[2:]:
            verdict = verdicts.get(case, {})
            print(f"  {results[case]}: {case} behaviour {verdict.get('behavior')}, close {verdict.get('behaviorClose')}")
    print(f"Autobahn: {len(wanted)} cases: " + ", ".join(f"{count[kind]} {kind}" for kind in kinds))
    bad = count["failed"] + count["missing"] + (count["non-strict"] if args.strict else 0)
    sys.exit(1 if bad else 0)


main()
