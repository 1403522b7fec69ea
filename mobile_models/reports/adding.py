"""Add to counts that may or may not have a row yet, in one statement, whoever else does the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, models


def add(
    model: type[models.Model],
    rows: Mapping[tuple[Any, ...], tuple[float, ...]],
    *,
    keys: Sequence[str],
    sums: Sequence[str],
) -> None:
    """Add sums to the rows with these keys; make those that are missing.

    Django's `bulk_create(update_conflicts=True)` can replace values but not add to them.

    Args:
        model: has a unique constraint over exactly `keys`.
        rows: per key, in the order of `keys`, what to add, in the order of `sums`. Written in the order of
        the
            keys, so that two batches never wait for each other.
        keys: fields that name a row.
        sums: fields that are added to; other fields of a new row get their defaults.
    """
    if not rows:
        return
    about = model._meta  # noqa: SLF001 - Django's documented API for what a model is made of
    fields: list[Any] = [about.get_field(name) for name in keys]
    summed: list[Any] = [about.get_field(name) for name in sums]
    named = {field.name for field in [*fields, *summed]}
    rest = [field for field in about.concrete_fields if field.name not in named and not field.primary_key]
    quote = connection.ops.quote_name
    columns = [quote(field.column) for field in (*fields, *summed, *rest)]
    table = quote(about.db_table)
    place = f"({', '.join(['%s'] * len(columns))})"
    # Every name comes from a model and every value goes as a parameter.
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([place] * len(rows))} "  # noqa: S608
        f"ON CONFLICT ({', '.join(quote(field.column) for field in fields)}) DO UPDATE SET "
        + ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in map(quote, sums))
    )
    values: list[Any] = []
    for key in sorted(rows, key=str):
        given = zip((*fields, *summed), (*key, *rows[key]), strict=True)
        values += [field.get_db_prep_save(value, connection) for field, value in given]
        values += [field.get_db_prep_save(field.get_default(), connection) for field in rest]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
