"""Write files of the stack whole or not at all, whatever the disk does."""

import os
from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write ``file``, and the folder that it is in. Raises `OSError`, as for a full disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}.new")  # commands write at once
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
