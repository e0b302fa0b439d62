"""What invoices must say, worked out from the rules of docs/BILLING.md alone, with exact fractions.

Nothing here is taken from the server: it is another reading of the same rules. Instants are whole microseconds
since 1970.
"""
from fractions import Fraction as F

from money import Charge, assemble, rounded
from periods import DAY, SECOND, period_at, resets

GRACE = 3_600 * SECOND
SETTLED_AFTER = 36 * DAY
PER_MONTH = {"day": F(365, 12), "week": F(52, 12), "month": F(1), "quarter": F(1, 3), "year": F(1, 12)}
GB = 2**30


def share(start, end, whole):
    seconds = lambda instant: instant // SECOND
    return F(seconds(end) - seconds(start), seconds(whole[1]) - seconds(whole[0]))


class Subscription:
    """What a subscription is from when on: phases are (start, plan, status, cycle)."""

    def __init__(self, plans, plan, at, zone, trial_days):
        self.plans = plans
        self.scheduled = None
        # When what changed was to be invoiced at once.
        self.invoiced_now = []
        self.trial_end = at + trial_days * DAY if trial_days else None
        anchor = None if plans[plan].get("billing") == "calendar" else (self.trial_end or at)
        status = "trialing" if trial_days else "active"
        self.phases = [(at, plan, status, (plans[plan]["interval"], zone, anchor, None))]
        # The zone that follows, and when that was decided.
        self.next_zone = None

    @property
    def now(self):
        return self.phases[-1]

    @property
    def is_over(self):
        return self.now[2] == "over"

    def put(self, at, plan=None, status=None, cycle=None):
        _, old_plan, old_status, old_cycle = self.now
        phase = (at, plan or old_plan, status or old_status, cycle or old_cycle)
        if phase[1:] != self.now[1:]:
            self.phases.append(phase)

    def move(self, plan, at):
        _, old, status, (interval, zone, anchor, since) = self.now
        wanted = self.plans[plan]["interval"]
        if wanted != interval:
            since = None
            if anchor is not None:
                anchor = self.trial_end if status == "trialing" else at
            if self.next_zone:
                zone, self.next_zone = self.next_zone[1], None
        self.scheduled = None
        self.put(at, plan=plan, cycle=(wanted, zone, anchor, since))

    def rezone(self, zone, at):
        self.next_zone = None if zone == self.now[3][1] or self.is_over else (at, zone)

    def rezoned_at(self):
        """Where the billing period ends in which another zone was chosen, or the first one begins."""
        if self.now[2] == "trialing":
            return self.trial_end
        decided, cycle = self.next_zone[0], self.now[3]
        return cycle[2] if cycle[2] is not None and decided < cycle[2] else period_at(cycle, decided)[1]

    def settle(self, until):
        while not self.is_over:
            trialing = self.now[2] == "trialing"
            instants = [self.trial_end] if trialing else []
            if self.scheduled:
                instants.append(self.scheduled[0])
            if self.next_zone:
                instants.append(self.rezoned_at())
            if not instants or min(instants) > until:
                return
            at = min(instants)
            if self.next_zone and self.rezoned_at() == at:
                interval, _, anchor, _ = self.now[3]
                zone, self.next_zone = self.next_zone[1], None
                # After a trial nothing was billed by the clock before.
                self.put(at, cycle=(interval, zone, anchor, None if self.now[2] == "trialing" else at))
            elif self.scheduled and self.scheduled[0] <= at:
                _, action = self.scheduled
                if action == "cancel":
                    self.end(at)
                else:
                    self.move(action, at)
            else:
                self.put(at, status="active")

    def end(self, at):
        self.scheduled = self.next_zone = None
        self.put(at, status="over")

    def schedule(self, action, now):
        in_trial = self.trial_end is not None and now < self.trial_end
        self.scheduled = (self.trial_end if in_trial else period_at(self.now[3], now)[1], action)

    def timing(self, plan):
        """When a change of plan takes effect of which nothing is said."""
        old, new = self.plans[self.now[1]], self.plans[plan]
        monthly = lambda one: F(one["base_price"]) * PER_MONTH[one["interval"]]
        return "now" if monthly(new) >= monthly(old) else "period_end"

    def change(self, plan, when, now, invoice_now):
        if plan == self.now[1]:
            self.scheduled = None
        elif when == "now":
            self.move(plan, now)
            self.invoiced_now += [now] if invoice_now else []
        else:
            self.schedule(plan, now)


class Usage:
    """A customer's events: (received, time, meter, value, voided at or None)."""

    def __init__(self):
        self.events = []

    def known(self, meter, until):
        return [
            (time, value)
            for received, time, of, value, voided in self.events
            if of == meter and received <= until and (voided is None or voided > until)
        ]

    def changed(self, before, since, until):
        """Whether something of a time became known between two instants."""
        return any(
            time < before and (since < received <= until or (voided is not None and since < voided <= until))
            for received, time, _, _, voided in self.events
        )

    def total(self, meter, start, end, until):
        inside = [value for time, value in self.known(meter, until) if start <= time < end]
        return sum(inside, F(0)), len(inside)

    def mean_level(self, meter, start, end, until):
        """The mean of the level, nothing below zero counted, from one instant to another."""
        steps = sorted(self.known(meter, until), key=lambda one: one[0])
        level, at, area = F(0), start, F(0)
        for time, value in steps:
            if time >= end:
                break
            if time > at:
                area += max(level, F(0)) * (time - at)
                at = time
            level += value
        area += max(level, F(0)) * (end - at)
        return area / (end - start)


def price_of(price, units, events):
    """The exact amount of units that are not included."""
    model = price["model"]
    if model == "per_unit":
        return units * F(price["unit_price"])
    if model == "package":
        size = F(price["package_size"])
        return -(-units // size) * F(price["package_price"])
    if model == "percentage":
        return units * F(price["percent"]) / 100 + events * F(price.get("event_fee", "0"))
    tiers, amount, below = price["tiers"], F(0), F(0)
    for tier in tiers:
        bound = F(tier["up_to"]) if "up_to" in tier else None
        fee = F(tier.get("flat_fee", "0"))
        if model == "volume":
            if units > 0 and (bound is None or units <= bound):
                return units * F(tier["unit_price"]) + fee
        elif units > below:
            upper = units if bound is None else min(units, bound)
            amount += (upper - below) * F(tier["unit_price"]) + fee
            below = upper
            if bound is None or units <= bound:
                break
    return amount


class Billing:
    """The invoices of one subscription."""

    def __init__(self, subscription, usage, meters, zones, coupons=(), details=()):
        """Zones are (since when, zone), coupons (coupon, given at, taken at or None), details (since when, details)."""
        self.zones = zones
        self.coupons = coupons
        self.details = details
        # All closings, and those that end a period or begin the first.
        self.runs = []
        self.closings = []
        self.invoiced_now = subscription.invoiced_now
        self.phases = subscription.phases
        self.plans = subscription.plans
        self.usage = usage
        self.meters = meters
        self.closed = []
        self.settled = None

    def stretches(self):
        """(start, end or None, plan or None where nothing is billed, cycle), without empty ones; and the end."""
        list_, end = [], None
        for number, (start, plan, status, cycle) in enumerate(self.phases):
            following = self.phases[number + 1][0] if number + 1 < len(self.phases) else None
            if status == "over":
                end = start
                break
            if following == start:
                continue
            list_.append((start, following, None if status == "paused" else plan, cycle, status))
        return list_, end

    def periods(self, until):
        stretches, end = self.stretches()
        billed = [one for one in stretches if one[4] != "trialing"]
        if not billed or (end is not None and billed[0][0] >= end):
            return
        at = billed[0][0]
        while at <= until:
            if end is not None and at >= end:
                return
            inside = lambda instant: next(
                one for one in billed if one[0] <= instant and (one[1] is None or instant < one[1])
            )
            first = inside(at)
            whole = period_at(first[3], at)
            cuts = [one[0] for one in billed if at < one[0] < whole[1] and one[3] != first[3]]
            if end is not None and end < whole[1]:
                cuts.append(end)
            last = min(cuts + [whole[1]])
            parts = [
                [max(one[0], at), min(one[1] or last, last), one[2]]
                for one in billed
                if one[0] < last and (one[1] is None or one[1] > at)
            ]
            merged = []
            for part in parts:
                if merged and merged[-1][2] == part[2]:
                    merged[-1][1] = part[1]
                else:
                    merged.append(part)
            is_end = end is not None and last == end
            following = None if is_end else inside(last)
            yield at, last, whole, merged, is_end, following
            at = last

    def fees(self, plan, start, whole, sign):
        plan = self.plans[plan]
        part = share(start, whole[1], whole)
        own = plan.get("tax")
        fees = [(F(plan["base_price"]), None, own), (F(plan.get("commitment", "0")), None, own)]
        fees += [
            (F(price["amount"]), price["key"], price.get("tax", own))
            for price in plan["prices"] if price["model"] == "flat"
        ]
        return [
            Charge("base", sign * fee * part, None, tax, ("base", plan["key"], price, start))
            for fee, price, tax in fees if fee
        ]

    def usage_charges(self, period, known_until):
        """What is charged for usage in a period, and its commitment."""
        start, last, whole, parts, is_end, _ = period
        lines, commitment = [], F(0)
        for number, (begins, ends, plan_key) in enumerate(parts):
            if plan_key is None:
                continue
            plan = self.plans[plan_key]
            paid_until = whole[1] if is_end and number == len(parts) - 1 else ends
            part = share(begins, paid_until, whole)
            commitment += rounded(F(plan.get("commitment", "0")) * part)
            for price in plan["prices"]:
                if price["model"] == "flat":
                    continue
                quantity, events = self.quantity(plan, price, begins, ends, whole, known_until)
                units = max(quantity, F(0)) / F(price.get("unit_size", "1"))
                included = min(units, F(price.get("included", "0")) * part)
                exact = price_of(price, units - included, events)
                if "maximum" in price:
                    exact = min(exact, F(price["maximum"]))
                minimum = rounded(F(price.get("minimum", "0")) * part)
                limits = [one for one in plan["entitlements"] if one["meter"] == price["meter"]]
                beyond = any(one["behaviour"] == "overage" for one in limits)
                kind = "overage" if beyond else "usage"
                key = (kind, plan_key, price.get("key", price["meter"]), begins)
                lines.append(Charge(kind, exact, minimum, price.get("tax", plan.get("tax")), key))
        return lines, commitment

    def quantity(self, plan, price, begins, ends, whole, known_until):
        meter = price["meter"]
        if self.meters[meter] == "level":
            mean = self.usage.mean_level(meter, begins, ends, known_until) if ends > begins else F(0)
            return mean * F(ends - begins, whole[1] - whole[0]), 0
        blocks = [one for one in plan["entitlements"] if one["meter"] == meter and one["behaviour"] == "block"]
        total, events = self.usage.total(meter, begins, ends, known_until)
        if not blocks:
            return total, events
        limit, billed = F(blocks[0]["limit"]), F(0)
        for start, end in resets(blocks[0]["reset"], self.zones, ends):
            at, last = max(start, begins), min(end, ends)
            if at < last:
                before, _ = self.usage.total(meter, start, at, known_until)
                used, _ = self.usage.total(meter, at, last, known_until)
                billed += min(used, max(limit - before, F(0)))
        return billed, events

    def invoices(self, until):
        """[(run at, period start, period end, lines, total)] of all closings until an instant. The closings before
        each are counted, as coupons are for a number of them."""
        end = None
        for period in self.periods(until):
            start, last, whole, parts, is_end, following = period
            if not self.closings:
                charges = self.fees(parts[0][2], start, whole, 1) if parts[0][2] else []
                yield start, start, start, *self.close(start, charges, F(0))[:2]
            changes = self.changes(period)
            for at, run_at in self.between(period, self.closings[-1]):
                if run_at > until:
                    return
                due = [fee for changed, fees in changes if changed <= at for fee in fees]
                changes = [one for one in changes if one[0] > at]
                self.runs.append(run_at)
                coupons = [one for one in self.coupons_of(len(self.closings), run_at) if "percent" in one]
                yield run_at, at, at, *assemble(due, coupons, F(0), *self.taxed(run_at))[:2]
            if last + GRACE > until:
                return
            fees = [fee for _, fees in changes for fee in fees]
            # The fees of the next period, which began with an invoice of their own where that cut this one.
            if following and following[2] and not (last < whole[1] and last in self.invoiced_now):
                fees += self.fees(following[2], last, period_at(following[3], last), 1)
            used, commitment = self.usage_charges(period, last + GRACE)
            late = self.adjustments(last + GRACE)
            number = len(self.closings)
            lines, total, nets = self.close(last + GRACE, fees + used + late, commitment)
            self.closed.append([period, nets, fees, number, last + GRACE])
            yield last + GRACE, start, last, lines, total
            end = last if is_end else None
        if end is not None and end + SETTLED_AFTER <= until:
            self.settled = end + SETTLED_AFTER
            yield self.settle(self.settled)

    def changes(self, period):
        """[(instant, fees)] of what changes in a period; with a cut that is invoiced at once, what follows it."""
        _, last, whole, parts, is_end, following = period
        changes = []
        for before, after in zip(parts, parts[1:]):
            fees = self.fees(before[2], after[0], whole, -1) if before[2] else []
            fees += self.fees(after[2], after[0], whole, 1) if after[2] else []
            changes.append((after[0], fees))
        if last < whole[1] and not is_end:
            fees = self.fees(parts[-1][2], last, whole, -1) if parts[-1][2] else []
            if last in self.invoiced_now and following[2]:
                fees += self.fees(following[2], last, period_at(following[3], last), 1)
            changes.append((last, fees))
        return changes

    def between(self, period, before):
        """(instant, when it is run) of what is invoiced before the end of a period, after the closing before. What
        is asked for while that one waits is invoiced with it, all together."""
        start, last, whole, *_ = period
        within = [at for at in self.invoiced_now if start <= at < last or (at == last < whole[1])]
        waiting = [at for at in within if at < before]
        runs = [(waiting[-1], before)] if waiting else []
        return runs + [(at, at) for at in within if at >= before]

    def settle(self, at):
        return at, at, at, *self.close(at, self.adjustments(at), F(0))[:2]

    def later(self, runs):
        """The invoices after the settlement: with the first closing of anybody after something became known."""
        if self.settled is None or not self.closed:
            return
        last, until = self.closed[-1][0][1], self.settled
        for at in runs:
            if at > until:
                if self.usage.changed(last, until, at):
                    yield self.settle(at)
                until = at

    def close(self, at, charges, commitment):
        """What a closing comes to that is run at an instant: lines, total, nets."""
        self.runs.append(at)
        self.closings.append(at)
        return assemble(charges, self.coupons_of(len(self.closings) - 1), commitment, *self.taxed(at))

    def coupons_of(self, number, at=None):
        """The coupons that take off the closing with a number; at an instant before it those that are there then."""
        before = lambda instant: sum(1 for at in self.closings if at < instant)
        taking = []
        for coupon, given, taken in self.coupons:
            first, end = before(given), number + 1 if taken is None else before(taken)
            if at is not None:
                first, end = (first if given <= at else number + 1), number + (taken is None or taken > at)
            lasting = "periods" not in coupon or number - first < coupon["periods"]
            if first <= number < end and lasting:
                taking.append(coupon)
        return taking

    def taxed(self, at):
        """The rates of the customer at an instant, and their mode."""
        details = [one for since, one in self.details if since <= at]
        return (details[-1]["taxes"], details[-1]["tax_mode"]) if details else ([], "exclusive")

    def adjustments(self, known_until):
        late = []
        for entry in self.closed:
            period, billed, fees, number, rated = entry
            if not self.usage.changed(period[1], rated, known_until):
                continue
            entry[4] = known_until
            used, commitment = self.usage_charges(period, known_until)
            _, _, anew = assemble(fees + used, self.coupons_of(number), commitment, [], "exclusive")
            taxes = {charge.key: charge.tax for charge in fees + used}
            for key, net in anew.items():
                if net != billed[key]:
                    late.append(Charge("adjustment", net - billed[key], None, taxes[key], None))
            entry[1] = anew
        return late
