"""Every query of the catalogue, computed a second time in pandas from ``docs/queries.md`` alone.

- `oracle.world` makes nine days of rows, from a seed, and loads them;
- `oracle.parameters` draws parameters;
- `oracle.prints`, `oracle.series`, `oracle.runs`, `oracle.prices` and `oracle.feeds` hold the
  computations; `oracle.answers` lists them by query;
- `oracle.compare` shows where QuestDB and pandas differ, ties aside.

``make oracle`` runs many more than the tests do: ``PYTHONPATH=tests python -m oracle --help``.
"""
