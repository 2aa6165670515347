"""The web front ends.

In: DataFrames and figures. Out: the dashboard, the HTTP API, Voila and JupyterLab. Next: `liq.cli`,
which starts them.
"""
