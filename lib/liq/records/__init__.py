"""The canonical records: what travels from exchange to table.

In: nothing. Out: record types, the rules of their fields, the stream each travels by. Next:
`liq.ingest`, which makes records.
"""
