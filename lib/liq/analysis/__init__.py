"""From DataFrame to insight.

In: DataFrames of `liq.query`, records for Spark. Out: figures, tables, studies, alerts. Next:
`liq.notebook` and `liq.web`, which show them.
"""
