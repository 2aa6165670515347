"""Helpers that several stages of the flow use, without imports of any stage.

In: settings. Out: helpers for processes, HTTP, HTML and shipped files. Next: every stage uses
them.
"""
