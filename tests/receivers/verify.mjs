// Verifies a delivery as a user of the npm package does.
// Reads {"secret","headers","body"} on standard input; exits 0 if it verifies, 1 if not.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL("node_modules", import.meta.url));
const require = createRequire(`${process.env.RECKONER_TEST_NODE_MODULES ?? here}/`);
const { Webhook } = require("standardwebhooks");

const { secret, headers, body } = JSON.parse(readFileSync(0, "utf8"));
try {
  new Webhook(secret).verify(body, headers);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
