"""Billing periods and resets of quotas by the clocks of time zones, over every change of zone. Instants are whole
microseconds since 1970."""
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SECOND = 1_000_000
DAY = 86_400 * SECOND
MONTHS = {"month": 1, "quarter": 3, "year": 12}
DAYS = {"day": 1, "week": 7}


def micros(text):
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - EPOCH) // timedelta(microseconds=1)


def shown(instant):
    moment = EPOCH + timedelta(microseconds=instant)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def wall(zone, instant):
    return (EPOCH + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def instant_of(zone, reading):
    moment = reading.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(timezone.utc)
    return (moment - EPOCH) // timedelta(microseconds=1)


def add_months(reading, months):
    month = reading.year * 12 + reading.month - 1 + months
    year, month = divmod(month, 12)
    month += 1
    first_of_next = datetime(year + month // 12, month % 12 + 1, 1)
    last = (first_of_next - timedelta(days=1)).day
    return reading.replace(year=year, month=month, day=min(reading.day, last))


def step(reading, interval, count):
    if interval in DAYS:
        return reading + timedelta(days=DAYS[interval] * count)
    return add_months(reading, MONTHS[interval] * count)


def period_at(cycle, instant):
    """The billing period that an instant lies in. A cycle is (interval, zone, anchor or None, since when by that zone's
    clock or None)."""
    *cycle, since = cycle
    if since is None:
        return unchanged_period_at(cycle, instant)
    start, end = unchanged_period_at(cycle, since)
    # A period that has only just begun by the new clock is the first; one that is as good as over is part of the next.
    first = end if end - since >= since - start else unchanged_period_at(cycle, end)[1]
    return (since, first) if instant < first else unchanged_period_at(cycle, instant)


def unchanged_period_at(cycle, instant):
    interval, zone, anchor = cycle
    if anchor is None:
        day = wall(zone, instant).replace(hour=0, minute=0, second=0, microsecond=0)
        if interval == "week":
            day -= timedelta(days=day.weekday())
        elif interval == "month":
            day = day.replace(day=1)
        elif interval == "quarter":
            day = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        elif interval == "year":
            day = day.replace(month=1, day=1)
        return instant_of(zone, day), instant_of(zone, step(day, interval, 1))
    first = wall(zone, anchor)
    edge = lambda count: anchor if count == 0 else instant_of(zone, step(first, interval, count))
    count = 0
    while edge(count + 1) <= instant:
        count += 1
    return edge(count), edge(count + 1)


def resets(reset, zones, until):
    """The days or months in which a customer's quotas are counted, in order, over all its zones: (since when, zone)."""
    label = lambda zone, instant: wall(zone, instant).strftime("%Y-%m-%d" if reset == "day" else "%Y-%m")
    span = lambda zone, instant: unchanged_period_at((reset, zone, None), instant)
    zone = zones[0][1]
    start, end = span(zone, zones[0][0])
    name = label(zone, start)
    while start <= until:
        chosen = [to for at, to in zones if at < end][-1]
        # The one that is open lasts until the new clock shows the next.
        while chosen != zone and label(chosen, end) <= name:
            end = span(chosen, end)[1]
            chosen = [to for at, to in zones if at < end][-1]
        yield start, end
        zone, start = chosen, end
        end, name = span(zone, start)[1], label(zone, start)
