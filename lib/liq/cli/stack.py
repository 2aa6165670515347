"""Bring the local Kafka, Kafka Connect and QuestDB up and down."""

import typer

app = typer.Typer()
