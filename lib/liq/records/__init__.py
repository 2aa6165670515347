"""The canonical records: what travels from exchange to table.

In: nothing. Out: record types, the rules of their fields, and the stream of each type. Next:
`liq.ingest`, which creates records.
"""
