"""From table to DataFrame.

In: names of queries in ``queries.json`` and their parameters. Out: DataFrames, stamps and exported
files. Next: `liq.analysis`, which draws them and evaluates rules.
"""
