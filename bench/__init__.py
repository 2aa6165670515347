"""Measurements of liq on the machine they are run on; ``python -m bench`` prints them."""
