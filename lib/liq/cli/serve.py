"""Serve the dashboard and JupyterLab."""

import typer

app = typer.Typer()
