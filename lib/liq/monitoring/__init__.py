"""The state of the pipeline.

In: the state that each stage reports. Out: lags, faults, and the reason why nothing arrives. Next:
`liq.web`, which shows it.
"""
