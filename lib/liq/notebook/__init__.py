"""Notebooks as programs.

In: notebooks and figures. Out: notebooks that have run, HTML reports, a tour. Next: `liq.web`,
which serves notebooks as apps.
"""
