"""The extras of liq, packages that only some parts need, and how to install them."""

from importlib.metadata import requires


def describe_installation(extra: str) -> str:
    """Return the command that installs the packages of an extra.

    It names these packages, since the name ``liq`` belongs to another project on PyPI.

    Example:
        >>> from liq.common.extras import describe_installation
        >>> describe_installation("streamlit")
        "pip install 'streamlit>=1.67'"
    """
    from packaging.requirements import Requirement  # noqa: PLC0415 - it would slow all commands

    wanted = map(Requirement, requires("liq") or ())
    needed = [
        f"'{each.name}{each.specifier}'"
        for each in wanted
        if each.marker and each.marker.evaluate({"extra": extra})
        if not each.marker.evaluate({"extra": ""})
    ]
    return " ".join(["pip install", *needed])
