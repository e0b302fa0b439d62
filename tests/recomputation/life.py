#!/usr/bin/env python3
"""Lives through months of many customers on a server with a test clock, works every invoice out anew by
rules.py, and compares them line by line: life.py URL KEY [--customers N] [--months N] [--seed N]

With --binary RECKONER --data-dir DIR it runs the server itself (URL is then ignored) and ends it with SIGKILL
--crashes times, most of them while it moves its clock, at an instant that nobody chose. With --second-worker a service
has everything run that is due, over and over, while the clock moves and runs the same by itself.

Trials, upgrades, downgrades, changes of interval, pauses, cancellations and returns, late events and voids, coupons,
taxes, top-ups of wallets, invoices that are paid in time, late or never, with who is suspended, over a leap day, changes
of summer time and the turn of a year, in four time zones between which customers move.
"""
import argparse
import random
import sys
import time
from fractions import Fraction as F

import money
import rules
from periods import DAY, SECOND, micros, shown
from server import Process, SecondWorker, Server

START = micros("2027-12-28T09:00:00Z")
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata"]
LATE_DAYS = 34
# Long after a subscription ended and was settled, too.
VOIDED_DAYS = 80

METERS = {"calls": "sum", "jobs": "sum", "mails": "sum", "tokens": "sum", "payments": "sum", "stored": "level"}
TIERS = [
    {"up_to": "100", "unit_price": "0.05"},
    {"up_to": "500.5", "unit_price": "0.031", "flat_fee": "1.10"},
    {"unit_price": "0.0125", "flat_fee": "2.00"},
]


def limit(meter, behaviour, units, reset="month"):
    return {"feature": meter, "type": "metered", "meter": meter, "behaviour": behaviour, "limit": units, "reset": reset}


def plan(key, base, interval, prices, entitlements=(), **more):
    return {
        "key": key, "currency": "USD", "base_price": base, "interval": interval, "prices": prices,
        "entitlements": list(entitlements), **more,
    }


PLANS = [
    plan("free", "0", "month", [], [limit("calls", "block", "1000")]),
    plan("pro", "49.00", "month",
         [{"model": "per_unit", "meter": "calls", "unit_price": "0.001", "included": "1000"}],
         [limit("calls", "overage", "1000")]),
    plan("team", "99.90", "month",
         [{"model": "graduated", "meter": "mails", "tiers": TIERS, "minimum": "5.00", "tax": "reduced"},
          {"model": "per_unit", "meter": "stored", "unit_price": "0.37", "unit_size": str(rules.GB)}],
         billing="calendar"),
    plan("scale", "300.00", "quarter",
         [{"model": "volume", "meter": "tokens", "tiers": TIERS, "included": "50"},
          {"model": "percentage", "meter": "payments", "percent": "2.9", "event_fee": "0.30", "maximum": "40.00"}],
         commitment="60.00"),
    plan("annual", "1200.00", "year",
         [{"model": "package", "meter": "mails", "package_size": "250", "package_price": "2.50", "included": "100"},
          {"key": "support", "model": "flat", "amount": "77.77", "tax": "reduced"}]),
    plan("weekly", "7.00", "week",
         [{"model": "per_unit", "meter": "jobs", "unit_price": "0.0375"}],
         [limit("jobs", "block", "150", "day")]),
    plan("daily", "1.05", "day", [{"model": "per_unit", "meter": "tokens", "unit_price": "0.0033"}]),
    plan("monthly_scale", "110.00", "month",
         [{"model": "graduated", "meter": "tokens", "tiers": TIERS, "maximum": "30.00", "minimum": "12.34"}],
         commitment="20.00", billing="calendar"),
]


COUPONS = [
    {"key": "once", "percent": "50", "periods": 1},
    {"key": "three", "percent": "12.5", "periods": 3},
    {"key": "always", "percent": "5"},
    {"key": "ten", "amount": "10.00", "currency": "USD"},
    {"key": "welcome", "amount": "25.00", "currency": "USD", "periods": 2},
]
VAT = [{"key": "vat", "name": "VAT", "percent": "19"}, {"key": "reduced", "name": "VAT", "percent": "7"}]
DETAILS = [
    {"taxes": VAT, "tax_mode": "exclusive"},
    {"taxes": [{"key": "mwst", "name": "MWST", "percent": "8.1"}], "tax_mode": "inclusive"},
    {"taxes": VAT, "tax_mode": "inclusive"},
    {"taxes": [], "tax_mode": "exclusive"},
]


class Customer:
    def __init__(self, number):
        self.name = f"customer_{number:03d}"
        self.zones = [(START, ZONES[number % len(ZONES)])]
        self.usage = rules.Usage()
        self.subscriptions = []
        # By subscription: (coupon, given at, taken at or None).
        self.coupons = {}
        self.details = []
        self.top_ups = []
        # By invoice.
        self.paid = {}
        self.pays = [1.0, 0.7, 0.4, 0.15][number % 4]

    @property
    def zone(self):
        return self.zones[-1][1]

    @property
    def current(self):
        """The subscription that is not over, with its id."""
        return next(((id_, one) for id_, one in self.subscriptions if not one.is_over), None)


class Life:
    def __init__(self, server, args):
        self.server = server
        self.random = random.Random(args.seed)
        self.plans = {one["key"]: one for one in PLANS}
        self.customers = [Customer(number) for number in range(args.customers)]
        self.end = START + args.months * 30 * DAY + 5 * DAY
        self.now = START
        self.events = 0
        self.actions = 0
        self.invoiced_now = 0
        self.rezoned = 0
        self.crashes = args.crashes if args.binary else 0
        self.crashed = 0
        self.worker = None

    def prepare(self):
        self.server.ask("PUT", "/v1/test-clock", {"frozen_time": shown(START)})
        meters = [
            {"key": key, "aggregation": "time_weighted_avg" if kind == "level" else "sum"}
            for key, kind in METERS.items()
        ]
        self.server.ask("POST", "/v1/catalog/apply", {"meters": meters, "plans": PLANS, "coupons": COUPONS})
        for customer in self.customers:
            self.server.ask("POST", "/v1/customers", {"external_id": customer.name, "time_zone": customer.zone})

    def schedule(self):
        """(instant, customer, action), at odd instants, so that none falls on that of a closing."""
        todo = []
        for customer in self.customers:
            at = START + self.random.randrange(0, 40 * 86_400) * SECOND + 123_457
            while at < self.end:
                todo.append((at, customer, "act"))
                at += self.random.randrange(2 * 86_400, 18 * 86_400) * SECOND + self.random.randrange(1, 999_999)
        return sorted(todo, key=lambda one: one[0])

    def live(self):
        todo = self.schedule()
        # The crashes change nothing of what is done: they have a random source of their own.
        self.crash_random = random.Random(len(todo))
        self.crash_chance = self.crashes / len(todo)
        for at, customer, _ in todo:
            self.move(at)
            for _, one in customer.subscriptions:
                one.settle(at)
            self.act(customer)
        self.move(self.end)
        for customer in self.customers:
            for _, one in customer.subscriptions:
                one.settle(self.end)

    def move(self, at):
        if self.worker:
            self.worker.moving.set()
        self.move_clock(at)
        if self.worker:
            self.worker.rest()

    def move_clock(self, at):
        to = ("POST", "/v1/test-clock/advance", {"frozen_time": shown(at)})
        if self.crash_random.random() < self.crash_chance:
            self.server.ask_through_crash(*to, self.crash_random.random() * 0.05)
            self.crashed += 1
        else:
            self.server.ask(*to)
        self.now = at

    def act(self, customer):
        self.actions += 1
        if customer.current is None:
            self.subscribe(customer)
        else:
            roll = self.random.random()
            if roll < 0.14:
                self.change(customer)
            elif roll < 0.19:
                self.cancel(customer)
            elif roll < 0.25:
                self.pause_or_resume(customer)
            elif roll < 0.33:
                self.void(customer)
        self.pay(customer)
        roll = self.random.random()
        if roll < 0.08:
            self.give_coupon(customer)
        elif roll < 0.11:
            self.take_coupon(customer)
        elif roll < 0.16:
            self.tax(customer)
        elif roll < 0.22:
            self.top_up(customer)
        elif roll < 0.27:
            self.rezone(customer)
        self.use(customer)

    def pay(self, customer):
        unpaid = self.server.ask("GET", f"/v1/invoices?customer={customer.name}&status=finalized&limit=1000")
        for invoice in unpaid["data"]:
            if self.random.random() < customer.pays:
                self.server.ask("POST", f"/v1/invoices/{invoice['id']}/pay", {})
                customer.paid[invoice["id"]] = self.now

    def give_coupon(self, customer):
        if customer.current is None:
            return
        id_, _ = customer.current
        coupon = self.random.choice(COUPONS)
        path = f"/v1/subscriptions/{id_}/coupons"
        answer = self.server.ask("POST", path, {"coupon": coupon["key"]}, allowed=(201, 409))
        if "given_at" in answer:
            customer.coupons.setdefault(id_, []).append([coupon, self.now, None])

    def take_coupon(self, customer):
        given = [] if customer.current is None else customer.coupons.get(customer.current[0], [])
        # Of several of one key the last is the one that is there.
        for one in reversed(given):
            if one[2] is None:
                path = f"/v1/subscriptions/{customer.current[0]}/coupons/{one[0]['key']}"
                # One that is used up is not there any more.
                if "given_at" in self.server.ask("DELETE", path, allowed=(200, 404)):
                    one[2] = self.now
                return

    def tax(self, customer):
        details = self.random.choice(DETAILS)
        self.server.ask("PUT", f"/v1/customers/{customer.name}/billing-details", details)
        customer.details.append((self.now, details))

    def top_up(self, customer):
        amount = F(self.random.randrange(100, 9_000), 100)
        lasts = self.random.choice([None, 20, 90])
        body = {"amount": {"amount": f"{float(amount):.2f}", "currency": "USD"}}
        expires = None if lasts is None else self.now + lasts * DAY
        if expires is not None:
            body["expires_at"] = shown(expires)
        self.server.ask("POST", f"/v1/customers/{customer.name}/wallet/top-ups", body)
        customer.top_ups.append((self.now, amount, expires))

    def rezone(self, customer):
        zone = self.random.choice(ZONES)
        self.server.ask("PATCH", f"/v1/customers/{customer.name}", {"time_zone": zone})
        if zone != customer.zone:
            self.rezoned += 1
            customer.zones.append((self.now, zone))
            for _, one in customer.subscriptions:
                one.rezone(zone, self.now)

    def subscribe(self, customer):
        key = self.random.choice(PLANS)["key"]
        trial = self.random.choice([0, 0, 7, 14])
        made = self.server.ask(
            "POST", "/v1/subscriptions", {"customer": customer.name, "plan": key, "trial_days": trial}
        )
        one = rules.Subscription(self.plans, key, self.now, customer.zone, trial)
        customer.subscriptions.append((made["id"], one))

    def change(self, customer):
        id_, one = customer.current
        key, when = self.random.choice(PLANS)["key"], self.random.choice([None, None, "now", "period_end"])
        body = {"plan": key} if when is None else {"plan": key, "when": when}
        when = when or one.timing(key)
        invoice_now = when == "now" and self.random.random() < 0.5
        if invoice_now:
            body["invoice_now"] = True
            self.invoiced_now += 1
        self.server.ask("POST", f"/v1/subscriptions/{id_}/change-plan", body)
        one.change(key, when, self.now, invoice_now)

    def cancel(self, customer):
        id_, one = customer.current
        when = self.random.choice(["now", "period_end"])
        self.server.ask("POST", f"/v1/subscriptions/{id_}/cancel", {"when": when})
        if when == "now":
            one.end(self.now)
        else:
            one.schedule("cancel", self.now)

    def pause_or_resume(self, customer):
        id_, one = customer.current
        if one.now[2] == "active":
            self.server.ask("POST", f"/v1/subscriptions/{id_}/pause", {})
            one.put(self.now, status="paused")
        elif one.now[2] == "paused":
            self.server.ask("POST", f"/v1/subscriptions/{id_}/resume", {})
            one.put(self.now, status="active")

    def use(self, customer):
        batch = []
        for _ in range(self.random.randrange(1, 5)):
            meter = self.random.choice(list(METERS))
            late = self.random.choice([0, 0, 2, LATE_DAYS])
            time = self.now - self.random.randrange(0, late * 86_400 + 3_600) * SECOND
            value = self.value(meter)
            id_ = f"e{self.events}"
            self.events += 1
            batch.append(
                {"id": id_, "customer": customer.name, "meter": meter, "value": str(value), "time": shown(time)}
            )
            customer.usage.events.append([self.now, time, meter, F(value), None, id_])
        answer = self.server.ask("POST", "/v1/events", batch)
        assert answer["accepted"] == len(batch), answer

    def value(self, meter):
        if meter == "stored":
            return str(self.random.randrange(-40, 60) * rules.GB // 7)
        if meter == "payments":
            return f"{self.random.randrange(100, 90_000) / 100:.2f}"
        if meter == "calls":
            return str(self.random.randrange(1, 1_500))
        return f"{self.random.randrange(1, 400_000) / 1000:.3f}"

    def void(self, customer):
        recent = [one for one in customer.usage.events if one[4] is None and one[1] > self.now - VOIDED_DAYS * DAY]
        if recent:
            one = self.random.choice(recent)
            self.server.ask("DELETE", f"/v1/events/{one[5]}")
            one[4] = self.now

    def compare(self):
        """How many invoices agree, and every difference."""
        theirs = {}
        numbers = []
        for invoice in self.server.pages("/v1/invoices"):
            theirs.setdefault(invoice["subscription"], []).append(invoice)
            numbers.append(invoice["number"])
        agreed, wrong = 0, []
        changes = {}
        for entry in self.server.pages("/v1/audit", "&action=customer.billing_status_changed"):
            change = entry["after"]
            changes.setdefault(change["customer"], []).append((change["changed_at"], change["status"]))
        self.suspensions = sum(1 for list_ in changes.values() for _, status in list_ if status == "suspended")
        if numbers != list(range(1, len(numbers) + 1)):
            wrong.append("the numbers have gaps")
        billed, runs = {}, set()
        for customer in self.customers:
            usage = rules.Usage()
            usage.events = [one[:5] for one in customer.usage.events]
            for id_, one in customer.subscriptions:
                coupons = customer.coupons.get(id_, [])
                billing = rules.Billing(one, usage, METERS, customer.zones, coupons, customer.details)
                billed[id_] = billing, list(billing.invoices(self.end))
                runs.update(billing.runs)
        runs = sorted(runs)
        for customer in self.customers:
            wallet = money.Wallet()
            expected = [(at, amount, expires) for at, amount, expires in customer.top_ups]
            for id_, _ in customer.subscriptions:
                billing, made = billed[id_]
                expected += [(*one, id_) for one in [*made, *billing.later(runs)]]
            made = {}
            for one in sorted(expected, key=lambda one: one[0]):
                if len(one) == 3:
                    wallet.add(*one[1:])
                    continue
                run_at, start, end, lines, total, id_ = one
                if total == 0:
                    continue
                drawn = wallet.pay(total, run_at)
                lines = lines + ([("wallet", -drawn)] if drawn else [])
                made.setdefault(id_, []).append((run_at, start, end, lines, total - drawn))
            wrong += self.compare_status(customer, theirs, changes.get(customer.name, []))
            for id_, _ in customer.subscriptions:
                ours, their = made.get(id_, []), theirs.pop(id_, [])
                if len(ours) != len(their):
                    wrong.append(f"{customer.name} {id_}: {len(their)} invoices, expected {len(ours)}")
                for mine, invoice in zip(ours, their):
                    difference = compare(mine, invoice)
                    if difference:
                        wrong.append(f"{customer.name} {id_} {invoice['number']}: {difference}")
                        break
                    agreed += 1
        wrong += [f"{id_}: invoices that nobody expects" for id_ in theirs]
        return agreed, wrong


    def compare_status(self, customer, theirs, changes):
        """How a customer's status changed, by the invoices that it has and when it paid them."""
        invoices = [
            (micros(invoice["due_at"]), customer.paid.get(invoice["id"]))
            for id_, _ in customer.subscriptions for invoice in theirs.get(id_, [])
            if F(invoice["amount_due"]["amount"]) > 0
        ]
        expected = [(shown(at), status) for at, status in money.status_changes(invoices, self.end)]
        status = self.server.ask("GET", f"/v1/customers/{customer.name}/billing-status")["status"]
        stands = expected[-1][1] if expected else "active"
        if sorted(changes) == sorted(expected) and status == stands:
            return []
        return [f"{customer.name}: {status} after {sorted(changes)}, expected {expected}"]


def compare(mine, invoice):
    run_at, start, end, lines, due = mine
    text = lambda amount: f"{float(amount):.2f}"
    expected = (
        shown(run_at), shown(start), shown(end), text(due), sorted((kind, text(amount)) for kind, amount in lines)
    )
    # One line for all discounts: they are one for each coupon and rate of tax.
    discounts = [F(line["amount"]["amount"]) for line in invoice["lines"] if line["kind"] == "discount"]
    lines = [(line["kind"], line["amount"]["amount"]) for line in invoice["lines"] if line["kind"] != "discount"]
    credits = [F(amount) for kind, amount in lines if kind == "credit"]
    lines = [one for one in lines if one[0] != "credit"]
    lines += [(kind, text(sum(all_))) for kind, all_ in (("discount", discounts), ("credit", credits)) if sum(all_)]
    got = (
        invoice["finalized_at"], invoice["period_start"], invoice["period_end"], invoice["amount_due"]["amount"],
        sorted(lines),
    )
    return None if got == expected else f"\n  is       {got}\n  expected {expected}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--months", type=int, default=14)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--binary")
    parser.add_argument("--data-dir")
    parser.add_argument("--crashes", type=int, default=100)
    parser.add_argument("--second-worker", action="store_true")
    args = parser.parse_args()
    began = time.monotonic()
    process = Process(args.binary, args.data_dir, args.key) if args.binary else None
    life = Life(Server(args.url, args.key, process), args)
    life.prepare()
    worker = life.worker = SecondWorker(process, args.key) if process and args.second_worker else None
    try:
        life.live()
    finally:
        if worker:
            worker.stop()
    agreed, wrong = life.compare()
    rounds = f", {worker.rounds} rounds of a second worker" if worker else ""
    wrong += worker.failures if worker else []
    for one in wrong[:20]:
        print(one, file=sys.stderr)
    print(f"{agreed} invoices of {len(life.customers)} customers agree, {len(wrong)} differences, "
          f"{life.actions} actions, {life.events} events, {life.invoiced_now} changes invoiced at once, "
          f"{life.rezoned} changes of zone, {life.suspensions} suspensions, "
          f"{life.crashed} crashes{rounds}, "
          f"seed {args.seed}, "
          f"{time.monotonic() - began:.0f} s")
    if process:
        process.kill()
    sys.exit(1 if wrong or agreed == 0 else 0)


if __name__ == "__main__":
    main()
