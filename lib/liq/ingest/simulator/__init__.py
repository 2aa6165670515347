"""A local exchange that speaks the venues' own protocols: the whole pipeline runs without one."""
