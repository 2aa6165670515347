"""Notebooks as programs.

In: notebooks and figures. Out: executed notebooks, HTML reports, a tour. Next: `liq.web`, which
serves notebooks as apps.
"""
