"""Judges what sslscan and sslyze found of a server.

    scans.py SSLSCAN.xml SSLYZE.json

The last line is "N passed, M failed".
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

# By RFC 9325 section 4: forward secrecy and authenticated encryption.
SUITES = {
    "TLSv1.2": {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"},
    "TLSv1.3": {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"},
}
OLD = ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"]
# What sslyze found, by plugin and field, and what must be so.
FINDINGS = [
    ("tls_compression", "supports_compression", False),
    ("tls_1_3_early_data", "supports_early_data", False),
    ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", False),
    ("session_renegotiation", "client_renegotiations_success_count", 0),
    ("heartbleed", "is_vulnerable_to_heartbleed", False),
    ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", False),
    ("robot", "robot_result", "NOT_VULNERABLE_RSA_NOT_SUPPORTED"),
]

passed = failed = 0


def check(what, expected, got):
    global passed, failed
    if expected == got:
        passed += 1
        print(f"ok   {what}")
    else:
        failed += 1
        print(f"FAIL {what}: expected {expected}, got {got}")


def sslscan(test):
    enabled = {f"{p.get('type')} {p.get('version')}" for p in test.iter("protocol") if p.get("enabled") == "1"}
    check("sslscan: versions", {"tls 1.2", "tls 1.3"}, enabled)
    for version, suites in SUITES.items():
        found = {c.get("cipher") for c in test.iter("cipher") if c.get("sslversion") == version}
        check(f"sslscan: suites of {version}", suites, found)
    renegotiation = test.find("renegotiation")
    check("sslscan: renegotiation", "0", renegotiation.get("supported"))
    vulnerable = [h.get("sslversion") for h in test.iter("heartbleed") if h.get("vulnerable") != "0"]
    check("sslscan: heartbleed", [], vulnerable)


def sslyze(scan):
    check("sslyze: the scan is whole", "COMPLETED", scan["scan_status"])
    results = scan["scan_result"]
    for version in OLD:
        result = results[f"{version}_cipher_suites"]["result"]
        check(f"sslyze: {version}", (False, []), (result["is_tls_version_supported"], result["accepted_cipher_suites"]))
    for version, key in [("TLSv1.2", "tls_1_2_cipher_suites"), ("TLSv1.3", "tls_1_3_cipher_suites")]:
        accepted = results[key]["result"]["accepted_cipher_suites"]
        check(f"sslyze: suites of {version}", SUITES[version], {suite["cipher_suite"]["openssl_name"] for suite in accepted})
    for plugin, field, expected in FINDINGS:
        check(f"sslyze: {plugin}, {field}", expected, results[plugin]["result"][field])


sslscan(ElementTree.parse(sys.argv[1]).getroot().find("ssltest"))
sslyze(json.loads(Path(sys.argv[2]).read_text())["server_scan_results"][0])
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
