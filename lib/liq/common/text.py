"""Text for people: amounts of money, names matched in any case, and the nearest names."""

import difflib
import math
import re
from collections.abc import Collection, Iterable

_NEAR, _MEANT = 0.5, 0.7  # of difflib's ratios: names that may be alike, and one that is a typo
_LONGEST = 40  # characters that are compared
_LARGE = 1e6  # from here on hundredths suffice
_UNITS = (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3))


class Spellings:
    """Names that match in any case, unless several names differ by case only."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._by_fold: dict[str, list[str]] = {}
        for name in self._names:
            self._by_fold.setdefault(name.casefold(), []).append(name)

    def match(self, text: str) -> str | None:
        """Return the name equal to ``text``, else the only name that differs by case."""
        if text in self._names:
            return text
        found = self.find_alike(text)
        return found[0] if len(found) == 1 else None

    def find_alike(self, text: str) -> list[str]:
        """Return the names equal to ``text`` apart from case."""
        return sorted(self._by_fold.get(text.casefold(), ()))


def match(text: str, names: Iterable[str]) -> str | None:
    """Return the name equal to ``text``, else the only name that differs by case."""
    return Spellings(names).match(text)


def find_nearest(
    text: str, names: Collection[str], most: int = 3, *, near: float = _NEAR
) -> list[str]:
    """Return at most ``most`` names that are most like ``text``, in any case.

    ``near`` is the least ratio of `difflib`.
    """
    folded = text.casefold()[:_LONGEST]
    by_fold = {name.casefold(): name for name in names}
    begun = sorted((fold for fold in by_fold if folded and fold.startswith(folded)), key=len)
    swapped = sorted(fold for fold in by_fold if folded and sorted(fold) == sorted(folded))
    close = difflib.get_close_matches(folded, by_fold, n=most, cutoff=near)
    return [by_fold[fold] for fold in dict.fromkeys([*begun[:most], *swapped, *close])][:most]


def find_meant(text: str, names: Collection[str]) -> str | None:
    """Return the name of which ``text`` is a typo, the beginning or a longer form, else None."""
    folded = text.casefold()
    begins = [name for name in names if name and folded.startswith(name.casefold())]
    longest = [name for name in sorted(begins, key=len) if len(text) <= 2 * len(name)][-1:]
    return next(iter(find_nearest(text, names, 1, near=_MEANT) or longest), None)


def suggest(text: str, names: Collection[str]) -> str:
    """Return the end of an error message: the name that is meant, and all valid names."""
    found = find_meant(text, names)
    guess = f", did you mean {str(found)!r}?" if found else ";"  # it may be an enum's
    return f"{guess} valid are: {', '.join(names) or '(none)'}"


def shorten(text: str, most: int = _LONGEST) -> str:
    """Return at most ``most`` characters of ``text``."""
    return text if len(text) <= most else f"{text[:most]}…"


def describe_error(error: BaseException) -> str:
    """Return an error's text, or its kind in words where it has none.

    Errors of the system are without their number.

    Example:
        >>> from liq.common.text import describe_error
        >>> describe_error(TimeoutError()), describe_error(OSError(2, "No such file", "x.csv"))
        ('timeout error', 'No such file: x.csv')
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", type(error).__name__)
    return str(error) or words.lower()


def format_usd(amount: float) -> str:
    """Return an amount of dollars in four digits, e.g. ``$1.234M``."""
    size = abs(amount)
    text = format_compact(size, 4) if size >= _UNITS[-1][1] else f"{size:,.0f}"
    return f"{'−' if amount < 0 else ''}${text}"  # noqa: RUF001


def format_number(value: float, unit: str = "") -> str:
    """Return a number in full: dollars and large numbers to the cent, others in nine digits.

    Dollars are never in powers of ten, and a price of a fraction of a cent keeps its digits.
    """
    is_large = abs(value) >= (1 if unit == "USD" else _LARGE)
    return f"{value:,.2f}" if is_large else f"{value:,.9g}"


def format_compact(amount: float, digits: int = 3) -> str:
    """Return an amount in ``digits`` figures, e.g. ``1.23M``."""
    rounded = float(f"{amount:.{digits}g}")  # 999,999 is 1M, not 1000k
    for unit, size in _UNITS:
        if size <= abs(rounded) < math.inf:
            return f"{rounded / size:.{digits}g}{unit}"
    return f"{rounded:.{digits}g}"
