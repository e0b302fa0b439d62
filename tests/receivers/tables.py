#!/usr/bin/env python3
"""Reads a Parquet file with DuckDB and with Polars. Prints JSON: its columns with their types, and its rows as text, times in
RFC 3339, decimals without superfluous zeros: tables.py FILE"""
import datetime
import decimal
import json
import sys

import duckdb
import polars

decimal.getcontext().prec = 60
EPOCH = datetime.datetime(1970, 1, 1)
file = sys.argv[1]
described = duckdb.sql(f"describe select * from read_parquet('{file}')").fetchall()
columns = [[name, kind, nullable] for name, kind, nullable, *_ in described]
picked = [f'epoch_us("{name}")' if kind.startswith("TIMESTAMP") else f'"{name}"' for name, kind, _ in columns]


def text(value, kind):
    if value is None:
        return None
    if kind.startswith("TIMESTAMP"):
        return (EPOCH + datetime.timedelta(microseconds=value)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if kind.startswith("DECIMAL"):
        return format(value.normalize() + 0, "f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown(rows):
    return [[text(value, kind) for value, (_, kind, _) in zip(row, columns)] for row in rows]


rows = shown(duckdb.sql(f"select {', '.join(picked)} from read_parquet('{file}')").fetchall())
frame = polars.read_parquet(file)
times = [name for name, kind, _ in columns if kind.startswith("TIMESTAMP")]
frame = frame.with_columns(polars.col(name).dt.epoch("us") for name in times)
if shown(frame.rows()) != rows or frame.columns != [name for name, _, _ in columns]:
    sys.exit("Polars reads something else than DuckDB")
print(json.dumps({"columns": [[name, kind] for name, kind, _ in columns], "rows": rows}))
