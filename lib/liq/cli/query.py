"""List and run the named queries."""

import typer

app = typer.Typer()
