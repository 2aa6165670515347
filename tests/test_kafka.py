import pytest

from liq import kafka
from liq.config import Settings
from liq.errors import KafkaError


def test_absent_broker_is_a_clear_error(unused_tcp_port: int) -> None:
    with pytest.raises(KafkaError, match=rf"127.0.0.1:{unused_tcp_port}.*liq up"):
        kafka.ensure_topics(Settings(kafka_port=unused_tcp_port))
