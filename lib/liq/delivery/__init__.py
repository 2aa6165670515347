"""From record through Kafka to table.

In: records and rejected frames. Out: rows in QuestDB, dead letters. Next: `liq.query`, which reads
the rows.
"""
