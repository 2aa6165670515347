"""From exchange to record.

In: frames of exchanges, live, recorded or simulated. Out: records of `liq.records`. Next:
`liq.delivery`, which publishes them.
"""
