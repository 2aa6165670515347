"""Simulate exchanges and run producers."""

import typer

app = typer.Typer()
