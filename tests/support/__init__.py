"""Helpers that several test files share, and programs that tests start.

- `helpers`: ports, waiting for a condition, reading a topic, running programs
- `records`, `rows`: records to send, and rows in tables of a test's own
- `recordings`: golden files of venues
- `proxy`, `disk`, `workers`, `spark_cluster`: an outage, a full disk, a Connect worker, Spark
- `bounded_publisher`, `steady_publisher`, `forked`: programs, started with ``python -m``
- `homes`, `mentions`, `prose`: names of folders, and checks of code and prose
"""
