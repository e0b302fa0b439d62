// Prints the Stripe-Signature of {payload, secret} on standard input, made by Stripe's own package.
import Stripe from 'stripe';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { payload, secret } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
console.log(Stripe.webhooks.generateTestHeaderString({ payload, secret }));
