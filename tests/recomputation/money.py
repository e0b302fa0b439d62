"""What invoices come to and what becomes of them: discounts, taxes, wallets, who owes; with exact fractions."""
from fractions import Fraction as F

DAY = 86_400 * 1_000_000


def rounded(amount):
    """To cents, half to even, as Python rounds fractions."""
    return F(round(amount * 100), 100)


class Charge:
    def __init__(self, kind, exact, minimum, tax, key):
        self.kind, self.exact, self.minimum, self.tax, self.key = kind, exact, minimum, tax, key


ORDER = ["base", "usage", "overage", "minimum", "adjustment"]


def assemble(charges, coupons, commitment, taxes, mode):
    """Lines [(kind, amount)], the total with tax, and what remains of each thing that is charged for."""
    rows = []
    for charge in charges:
        rest = charge.exact
        if charge.kind != "adjustment":
            for coupon in coupons:
                if "percent" in coupon:
                    rest *= 1 - F(coupon["percent"]) / 100
        amount, net = rounded(charge.exact), rounded(rest)
        rows.append([charge.kind, amount, net, charge])
        if charge.minimum is not None and charge.minimum > net:
            rows.append(["minimum", charge.minimum - net, charge.minimum - net, charge])
    rows.sort(key=lambda row: ORDER.index(row[0]))
    for coupon in coupons:
        if "amount" in coupon:
            spread(F(coupon["amount"]), rows)
    discount = sum((amount - net for _, amount, net, _ in rows), F(0))
    left = commitment
    for row in rows:
        if row[0] in ("usage", "overage"):
            drawn = min(max(row[2], F(0)), left)
            left -= drawn
            row[2] -= drawn
    lines = [(kind, amount) for kind, amount, _, _ in rows]
    lines += [("discount", -discount)] if discount else []
    lines += [("credit", left - commitment)] if left != commitment else []
    total = sum((amount for _, amount in lines), F(0))
    for rate in taxes:
        named = [row for row in rows if rate["key"] == (row[3].tax or taxes[0]["key"])]
        if named:
            base, percent = sum((row[2] for row in named), F(0)), F(rate["percent"])
            within = mode == "inclusive"
            tax = rounded(base * percent / (100 + percent) if within else base * percent / 100)
            lines.append(("tax", tax))
            total += F(0) if within else tax
    nets = {}
    for _, _, net, charge in rows:
        if charge.key is not None:
            nets[charge.key] = nets.get(charge.key, F(0)) + net
    return lines, total, nets


def spread(amount, rows):
    """Takes an amount off what is due, in proportion: in the order of the lines, each sum until there rounded."""
    counts = [row for row in rows if row[0] != "adjustment"]
    amount = min(amount, sum((row[2] for row in counts), F(0)))
    takes = [row for row in counts if row[2] > 0]
    base = sum((row[2] for row in takes), F(0))
    if amount <= 0 or not base:
        return
    passed, given = F(0), F(0)
    for row in takes:
        passed += row[2]
        until_here = rounded(amount * passed / base)
        row[2] -= until_here - given
        given = until_here


class Wallet:
    """Prepaid credit: lots of (expiry or None, amount), the soonest to expire first, then the oldest."""

    def __init__(self):
        self.lots = []

    def add(self, amount, expires=None):
        self.lots.append([expires, amount])

    def pay(self, total, at):
        """What is drawn for a total; what is below zero comes in."""
        if total < 0:
            self.add(-total)
            return total
        self.lots = [lot for lot in self.lots if lot[1] and (lot[0] is None or lot[0] > at)]
        drawn = F(0)
        for lot in sorted(self.lots, key=lambda lot: (lot[0] is None, lot[0] or 0)):
            part = min(lot[1], total - drawn)
            lot[1] -= part
            drawn += part
        return drawn


def status_changes(invoices, until):
    """[(instant, status)] of a customer until an instant, of its invoices as (due at, paid at or None): it owes while
    any is overdue, and is suspended after 14 days of that."""
    overdue = sorted((due, paid) for due, paid in invoices if paid is None or paid > due)
    spells = []
    for due, paid in overdue:
        if spells and (spells[-1][1] is None or due <= spells[-1][1]):
            ends = (spells[-1][1], paid)
            spells[-1][1] = None if None in ends else max(ends)
        else:
            spells.append([due, paid])
    changes = []
    for due, end in spells:
        changes.append((due, "due"))
        if end is None or due + 14 * DAY < end:
            changes.append((due + 14 * DAY, "suspended"))
        if end is not None:
            changes.append((end, "active"))
    return [change for change in changes if change[0] <= until]
