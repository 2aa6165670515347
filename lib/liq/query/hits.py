"""`liq.hit`. Its type, with each shipped query as a method, is in ``hits.pyi``."""

from liq.query.callables import Hit

hit = Hit()
