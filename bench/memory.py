"""Resident memory of each process of a running system."""

from liq import stack as local
from liq.config import Settings


def memory(settings: Settings) -> dict[str, float]:
    """Return MiB a service, of those that run."""
    return {
        service.name: service.memory / 2**20
        for service in local.status(settings)
        if service.memory is not None
    }
