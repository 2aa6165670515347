import pytest

from liq.errors import RejectedMessage
from liq.ingest.venues.htx import HTX
from support.recordings import Recording, liquidations


def test_a_broken_gzip_is_rejected_as_such(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="no gzip"):
        liquidations(HTX, b"\x1f\x8b" + b"\x00" * 20, recording.instruments, recording.recv_ts)
