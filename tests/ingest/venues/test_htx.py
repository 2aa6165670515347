import gzip

import pytest

from liq.errors import RejectedMessage
from liq.ingest.venues.canonical import MOST_BYTES
from liq.ingest.venues.htx import HTX
from support.recordings import Recording, liquidations


def test_a_broken_gzip_is_rejected_as_such(recording: Recording) -> None:
    with pytest.raises(RejectedMessage, match="no gzip"):
        liquidations(HTX, b"\x1f\x8b" + b"\x00" * 20, recording.instruments, recording.recv_ts)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_gzip_without_its_whole_trailer_is_rejected(recording: Recording, cut: int) -> None:
    raw = recording.frames["documented"]
    with pytest.raises(RejectedMessage, match="the gzip is cut off"):
        liquidations(HTX, raw[:-cut], recording.instruments, recording.recv_ts)


def test_a_gzip_with_bytes_after_it_is_rejected(recording: Recording) -> None:
    raw = recording.frames["documented"]
    with pytest.raises(RejectedMessage, match="followed by other bytes"):
        liquidations(HTX, raw + raw, recording.instruments, recording.recv_ts)


def test_a_gzip_of_more_than_a_frame_is_rejected(recording: Recording) -> None:
    frame = b'{"op":"ping","ts":1' + b" " * MOST_BYTES + b"}"
    with pytest.raises(RejectedMessage, match="the gzip has 1,048,576 bytes or more"):
        liquidations(HTX, gzip.compress(frame), recording.instruments, recording.recv_ts)
    assert HTX.reply(gzip.compress(frame)) is None
    assert HTX.reply(gzip.compress(b'{"op":"ping","ts":1}')) == '{"op":"pong","ts":1}'
