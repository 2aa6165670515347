"""multiprocessing: forks that do not run the main module again, and run functions at exit."""

import atexit
import sys
from multiprocessing import spawn

from liq.common.compat import PYTHON


def hide_main() -> None:
    """Hide this process's main module, which a fork server would run again in each fork.

    Raises `DependencyError` if multiprocessing finds it in another way.
    """
    PYTHON.get(atexit, "_run_exitfuncs")  # each fork needs it in the end
    main = sys.modules["__main__"]
    main.__spec__ = main.__file__ = None
    found = PYTHON.get(spawn, "get_preparation_data")("kernel")
    hidden = not any(name.startswith("init_main") for name in found)
    PYTHON.require(hidden, "fork server that leaves out a main module without a file")


def run_exit_functions() -> None:
    """Run what was registered with `atexit`: a forked process ends without that."""
    atexit._run_exitfuncs()
