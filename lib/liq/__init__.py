"""liq: realtime analytics of crypto liquidations, in Jupyter."""
