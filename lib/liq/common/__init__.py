"""What several stages of the flow use, and nothing of them.

In: settings. Out: helpers for processes, HTTP, HTML and shipped files. Next: `liq.records`.
"""
