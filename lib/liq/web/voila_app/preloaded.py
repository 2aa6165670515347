"""The imports and first steps that forked kernels share; importing this module performs them.

Afterwards no thread may run and no connection may be open, since a fork copies neither.
"""

import gc
from importlib import import_module

for _name in (
    "liq.common.kernels.program",
    # imported by the kernel program at its start
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

import liq.web.dashboard  # noqa: E402, F401 - in this order
from liq.analysis import charts  # noqa: E402
from liq.notebook import tour  # noqa: E402

# plotly imports its classes at their first use
charts.bars(tour.sum_by_minute(tour.simulate_prints())).to_json()

gc.collect()
gc.freeze()  # a garbage collection writes to every object, so that each kernel would copy it
