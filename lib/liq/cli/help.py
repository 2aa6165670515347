"""Help pages, with each text as it was written and each command's first paragraph whole."""

import inspect
import re
from typing import Any

import typer
from typer.core import TyperGroup

from liq.common.text import suggest

# pydantic's and typer's text about a value that is none of an option's
_NO_CHOICE = re.compile(
    r"""(?:Value error, )?(["'])(?P<value>.*)\1 is not one of (?P<choices>'.*')\.?""", re.DOTALL
)
_INVALID = "Value error, "


class Group(TyperGroup):
    """Commands whose help lists each with its whole first paragraph.

    The pages are plain text: rich's markup would take ``[bold]`` in a text for a style, and leave
    it out.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"rich_markup_mode": None})

    def invoke(self, ctx: Any) -> Any:
        """Run a command; the error of a misspelt value suggests one."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = _explain(error.message)
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as typer calls it
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, _read_first_paragraph(command.short_help or command.help or ""))
                    for name, command in self.commands.items()
                    if not command.hidden
                ]
            )


def _read_first_paragraph(text: str) -> str:
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())


def _explain(message: str) -> str:
    if found := _NO_CHOICE.fullmatch(message):
        choices = re.findall("'(.*?)'", found["choices"])
        return f"there is no {found['value']!r}{suggest(found['value'], choices)}"
    return message.removeprefix(_INVALID)
