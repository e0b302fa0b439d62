"""Shows that each receiver accepts a good delivery and refuses a bad one.

Runs under the interpreter that has the packages (RECKONER_TEST_PYTHON). The signatures are made here, by hand, so that
the receivers are checked against the rule and not against the server. Ends with `N passed, N failed`.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
SECRET = "whsec_" + base64.b64encode(b"a receiver's own 24 bytes").decode()
BODY = '{"type":"aggregation.completed","customerId":"a","data":{"events":{"api.calls":0.3}},"created":1768381200}'
VERIFIERS = {
    "standardwebhooks for node": ["node", HERE / "verify.mjs"],
    "standardwebhooks for python": [sys.executable, HERE / "verify.py"],
    "X-Webhook-Signature": ["node", HERE / "verify-hex.mjs"],
}


def mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def delivery(secret: str, body: str, at: int) -> dict:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return {
        "secret": secret,
        "body": body,
        "headers": {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(at),
            "webhook-signature": "v1," + base64.b64encode(mac(key, f"msg_1.{at}.{body}")).decode(),
            "X-Webhook-Timestamp": str(at),
            "X-Webhook-Signature": "v1=" + mac(secret.encode(), f"{at}.{body}").hex(),
        },
    }


def cases():
    now = int(time.time())
    good = delivery(SECRET, BODY, now)
    yield "a good delivery", good, True
    yield "another body", {**good, "body": BODY.replace("0.3", "0.4")}, False
    yield "another secret", {**good, "secret": "whsec_" + base64.b64encode(b"somebody else's 24 bytes").decode()}, False
    yield "a delivery of an hour ago", delivery(SECRET, BODY, now - 3600), False
    yield "no signature", {**good, "headers": {}}, False


def main() -> int:
    passed = failed = 0
    for verifier, command in VERIFIERS.items():
        for case, given, accepted in cases():
            run = subprocess.run(command, input=json.dumps(given), text=True, capture_output=True)
            if run.returncode == (0 if accepted else 1) and "Traceback" not in run.stderr:
                passed += 1
                continue
            failed += 1
            print(f"{verifier}: {case}: exit {run.returncode}: {run.stderr.strip()}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
