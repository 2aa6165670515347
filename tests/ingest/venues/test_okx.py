from liq.ingest.venues.okx import OKX
from support.recordings import Recording, liquidations

AN_HOUR = 3_600_000_000


def test_liquidations_of_the_past_in_okx_s_answer_are_passed_over(recording: Recording) -> None:
    raw, later = recording.frames["several"], recording.recv_ts + AN_HOUR
    assert liquidations(OKX, raw, recording.instruments, later) == []
