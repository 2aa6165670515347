"""liq: realtime analytics of crypto liquidations, in Jupyter."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liq.queries import hit as hit

__all__ = ["hit"]


def __getattr__(name: str) -> Any:
    # lazily: `import liq` stays quick, pandas and psycopg load with the first query
    if name == "hit":
        from liq.queries import hit  # noqa: PLC0415

        return hit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
