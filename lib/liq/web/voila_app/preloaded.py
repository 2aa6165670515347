"""What forked kernels share: importing this imports and does what each would at its start.

No thread may run and no connection be open afterwards: a fork takes neither along.
"""

import gc
from importlib import import_module

for _name in (
    "liq.common.kernels.program",
    # what that imports only as it starts
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "ipykernel.debugger",
    "tornado.platform.asyncio",
    "faulthandler",
    "tornado.queues",
):
    import_module(_name)

import liq.web.dashboard  # noqa: E402, F401 - after what must not be imported
from liq.analysis import charts  # noqa: E402
from liq.notebook import tour  # noqa: E402

# plotly finds its classes as they are first used
charts.bars(tour.by_minute(tour.made_up())).to_json()

gc.collect()
gc.freeze()  # a collection writes to all it looks at, which would make each kernel copy it
