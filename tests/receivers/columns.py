#!/usr/bin/env python3
"""Reads the sealed events of a directory with DuckDB and with Polars: count and sum by customer and event type, with the
last correction of each event. Prints JSON: columns.py DIR"""
import decimal
import json
import sys

import duckdb
import polars

files = sys.argv[1] + "/events-*.parquet"

by_duckdb = duckdb.sql(f"""
    with corrections as (
        select corrects_sequence, record, value from '{files}' where record <> 'event'
        qualify row_number() over (partition by corrects_sequence order by sequence desc) = 1
    )
    select e.customer, e.meter, count(*), sum(coalesce(c.value, e.value))
    from '{files}' e left join corrections c on c.corrects_sequence = e.sequence
    where e.record = 'event' and c.record is distinct from 'void'
    group by all order by all
""").fetchall()

events = polars.scan_parquet(files)
corrections = (
    events.filter(polars.col("record") != "event")
    .sort("sequence")
    .group_by("corrects_sequence")
    .last()
    .select("corrects_sequence", correction="record", corrected_value="value")
)
by_polars = (
    events.filter(polars.col("record") == "event")
    .join(corrections, left_on="sequence", right_on="corrects_sequence", how="left")
    .filter(polars.col("correction").is_null() | (polars.col("correction") == "amendment"))
    .group_by("customer", "meter")
    .agg(polars.len(), polars.coalesce("corrected_value", "value").sum().alias("sum"))
    .sort("customer", "meter")
    .collect()
    .rows()
)


def plain(rows):
    return [[customer, meter, count, format(decimal.Decimal(total).normalize(), "f")] for customer, meter, count, total in rows]


decimal.getcontext().prec = 60
print(json.dumps({"duckdb": plain(by_duckdb), "polars": plain(by_polars)}))
