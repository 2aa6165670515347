"""The client of kernels: no message is missed that arrives while it sends one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import zmq
import zmq.asyncio
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.session import Session

from liq.common import kernels
from liq.common.compat.kernel_client import Channel, Client
from support.helpers import PATIENCE_S

_NAME = b"client"


@pytest.fixture
def session() -> Session:
    return Session(key=b"key")


@pytest_asyncio.fixture
async def sockets() -> AsyncIterator[tuple[zmq.asyncio.Socket, zmq.Socket[Any]]]:
    """A client's socket, and the kernel's that it is connected to."""
    with zmq.asyncio.Context() as context, zmq.Context() as other:
        client, kernel = context.socket(zmq.DEALER), other.socket(zmq.ROUTER)
        client.linger = kernel.linger = 0
        port = kernel.bind_to_random_port("tcp://127.0.0.1")
        client.identity = _NAME
        client.connect(f"tcp://127.0.0.1:{port}")
        yield client, kernel
        client.close()
        kernel.close()


async def test_a_reply_that_arrives_before_the_client_sends_wakes_who_waits_for_it(
    session: Session, sockets: tuple[zmq.asyncio.Socket, zmq.Socket[Any]]
) -> None:
    socket, kernel = sockets
    channel = Channel(socket, session)
    channel.send(session.msg("execute_request"))
    assert kernel.poll(int(1000 * PATIENCE_S))
    waiting = asyncio.create_task(channel.get_msg())
    await asyncio.sleep(0.1)  # it waits for the signal now
    session.send(kernel, session.msg("execute_reply"), ident=_NAME)
    # the loop, which blocks here, sees neither the reply nor its signal before the next sending
    assert zmq.Socket.shadow(socket.underlying).poll(int(1000 * PATIENCE_S))
    channel.send(session.msg("comm_msg"))
    reply = await asyncio.wait_for(waiting, PATIENCE_S)
    assert reply["header"]["msg_type"] == "execute_reply"


def test_managers_of_kernels_have_the_client() -> None:
    client = AsyncKernelManager(config=kernels.create_config()).client()
    assert isinstance(client, Client)
    assert client.shell_channel_class is Channel
