"""A local exchange with the venues' own protocols, so that the pipeline runs without a real one."""
