"""From table to DataFrame.

In: names of queries in ``queries.json`` and their parameters. Out: DataFrames, stamped, exported.
Next: `liq.analysis`, which draws and judges them.
"""
