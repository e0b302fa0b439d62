// Verifies `X-Webhook-Signature` as the receivers of the metering webhook system do: some over the body as it came,
// some over the body parsed and printed again. Both must hold. Input and exit codes as in verify.mjs.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

const TOLERANCE_SECONDS = 300;

const { secret, headers, body } = JSON.parse(readFileSync(0, "utf8"));
const header = (name) => Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1] ?? "";
const timestamp = header("x-webhook-timestamp");
const given = Buffer.from(header("x-webhook-signature"));

function fail(reason) {
  console.error(reason);
  process.exit(1);
}

if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE_SECONDS)) fail("timestamp missing or outside the tolerance");
for (const [form, text] of [["the body", body], ["the body printed again", JSON.stringify(JSON.parse(body))]]) {
  const mac = createHmac("sha256", secret).update(`${timestamp}.${text}`).digest("hex");
  const expected = Buffer.from(`v1=${mac}`);
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) fail(`no match over ${form}`);
}
