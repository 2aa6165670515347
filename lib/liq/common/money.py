"""Amounts of money as short text."""

_UNITS = (("B", 1e9), ("M", 1e6), ("k", 1e3))


def format_usd(amount: float) -> str:
    """Return an amount of dollars in four digits, e.g. ``$1.234M``."""
    size = abs(amount)
    text = format_compact(size, 4) if size >= _UNITS[-1][1] else f"{size:,.0f}"
    return f"{'−' if amount < 0 else ''}${text}"  # noqa: RUF001


def format_compact(amount: float, digits: int = 3) -> str:
    """Return an amount in ``digits`` figures, e.g. ``1.23M``."""
    for unit, size in _UNITS:
        if abs(amount) >= size:
            return f"{amount / size:.{digits}g}{unit}"
    return f"{amount:.{digits}g}"
