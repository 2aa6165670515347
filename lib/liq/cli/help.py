"""Help pages, with each text as it was written, and errors of usage that say what to write."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from liq.common.text import find_meant, suggest
from liq.errors import LiqError

# pydantic's and typer's text about a value that is none of an option's
_NO_CHOICE = re.compile(
    r"""(?:Value error, )?(["'])(?P<value>.*)\1 is not one of (?P<choices>'.*')\.?""", re.DOTALL
)
_INVALID = "Value error, "
_UNEXPECTED = re.compile(r"Got unexpected extra argument\(s\) \((?P<words>.*)\)", re.DOTALL)
# names that people try first, and what does it here
_OTHER_NAMES = {
    "help": "liq --help",
    "version": "liq --version",
    "start": "liq run",
    "stop": "liq down",
    "list": "liq queries",
    "query": "liq hit KEY",
    "export": "liq hit KEY --out FILE.csv",
}


class Group(TyperGroup):
    """Commands whose help lists each with its whole first paragraph.

    The pages are plain text: rich's markup would take ``[bold]`` in a text for a style, and leave
    it out.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"rich_markup_mode": None})

    def invoke(self, ctx: Any) -> Any:
        """Run a command; an error of its usage says what to write."""
        words = [*ctx.args]  # its own ones, before they are parsed
        try:
            return super().invoke(ctx)
        except Exception as error:
            _explain(error, words)
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command; a name of other programs leads to the one that does the same."""
        name = args[0] if args else ""
        if ctx.parent is None and name in _OTHER_NAMES and name not in self.commands:
            ctx.fail(f"No such command {name!r}. Write: {_OTHER_NAMES[name]}")
        return super().resolve_command(ctx, args)

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


def _explain(error: Exception, words: Sequence[str]) -> None:
    """Say in an error of usage what a value may be, or how a query's parameter is given."""
    if isinstance(error, typer.BadParameter):
        text = _explain_value(error.message) or getattr(error.param, "help", None) or ""
        error.message = text[:1].upper() + text[1:] if not error.message else text
    elif given := _find_parameters(error, words):
        error.message += f". A parameter is given as: {given}"  # type: ignore[attr-defined] # of all errors of usage


def _find_parameters(error: Any, words: Sequence[str]) -> str:
    """Return how the parameters are given that were taken for options or for arguments.

    An option that is more like one of the command's own gets this one alone as a suggestion.
    """
    command = getattr(getattr(error, "ctx", None), "command", None)
    own = [option for each in getattr(command, "params", ()) for option in each.opts]
    if "--param" not in own:
        return ""
    if option := getattr(error, "option_name", ""):
        options = {each.lstrip("-"): each for each in own if each.startswith("--")}
        params = _list_parameters(words)
        name = option.lstrip("-")
        meant = find_meant(name, [*dict.fromkeys([*params, *options])]) or name
        error.possibilities = [options[meant]] if meant in options else []
        return "" if meant in options else f"-p {meant}=VALUE"
    found = _UNEXPECTED.fullmatch(str(error))
    words = found["words"].split() if found else []
    return " ".join(f"-p {word}" for word in words if "=" in word)


def _list_parameters(words: Sequence[str]) -> list[str]:
    """Return the parameters of the query that is among ``words``, else of all queries.

    Notebooks have some of them.
    """
    from liq.query.queries import load_catalogue  # noqa: PLC0415 - pandas would slow all commands

    try:
        known = load_catalogue().queries
    except LiqError:
        return []
    keys = [word for word in words if word in known][:1] or known
    return sorted({name for key in keys for name in known[key].params})


def _explain_value(message: str) -> str:
    if found := _NO_CHOICE.fullmatch(message):
        choices = re.findall("'(.*?)'", found["choices"])
        return f"there is no {found['value']!r}{suggest(found['value'], choices)}"
    return message.removeprefix(_INVALID)
