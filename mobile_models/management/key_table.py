"""The repository's state as a table for a terminal."""

from collections.abc import Iterator, Sequence

from mobile_models.signing.status import RoleStatus, Status

COLUMNS = ("role", "version", "signatures", "good until", "days left", "keys")


def table(seen: Status) -> str:
    """Roles in rows, then what waits for signatures."""
    return "\n".join(_lines(seen))


def _lines(seen: Status) -> Iterator[str]:
    if not seen.initialised:
        yield "There is no repository. Run `manage.py keys init --keys 3 --threshold 2`."
    else:
        if seen.development:
            yield "DEVELOPMENT KEYS: they guard nothing."
        yield from _aligned([COLUMNS, *(_row(role) for role in seen.roles)])
    for waiting in seen.waiting:
        yield f"Waiting for signatures: {waiting.purpose}"
        yield from (f"  {standing}" for standing in waiting.roles)


def _row(role: RoleStatus) -> tuple[str, ...]:
    keys = ", ".join(f"{key.keyid[:8]} {key.holder}" for key in role.keys)
    return (
        role.role,
        str(role.version),
        f"{role.threshold} of {len(role.keys)}",
        f"{role.expires:%Y-%m-%d %H:%M}",
        f"{role.days_left:.1f}",
        keys,
    )


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
