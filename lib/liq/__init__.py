"""liq: realtime analytics of crypto liquidations, in Jupyter."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liq.exports import export as export
    from liq.queries import hit as hit

__all__ = ["export", "hit"]


def __getattr__(name: str) -> Any:
    # lazily: `import liq` stays quick, pandas and psycopg load with the first query
    if name == "hit":
        from liq.queries import hit  # noqa: PLC0415

        return hit
    if name == "export":
        from liq.exports import export  # noqa: PLC0415

        return export
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
