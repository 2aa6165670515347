"""Help pages, with each text as it was written and each command's first paragraph whole."""

import inspect
from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """Commands whose help lists each with its whole first paragraph.

    The pages are plain text: rich's markup would take ``[bold]`` in a text for a style, and leave
    it out.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"rich_markup_mode": None})

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
