"""Programs that stand for what people write themselves; each runs in a process of its own."""
