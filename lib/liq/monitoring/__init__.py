"""What state the pipeline is in.

In: what each stage reports of itself. Out: what lags or is broken, and why nothing arrives. Next:
`liq.web`, which shows it.
"""
