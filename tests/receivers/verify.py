"""Verifies a delivery as a user of the PyPI package does.

Reads {"secret","headers","body"} on standard input; exits 0 if it verifies, 1 if not.
"""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

delivery = json.load(sys.stdin)
try:
    Webhook(delivery["secret"]).verify(delivery["body"], delivery["headers"])
except WebhookVerificationError as error:
    sys.exit(str(error))
