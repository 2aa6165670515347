"""A client of kernels that receives also what arrives while it sends.

ZeroMQ signals once that messages are there, and a socket that sends takes the signal.
jupyter_client then waits for the next one: a cell with a progress bar, whose widget the client
answers, took two minutes longer now and then.
"""

from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from traitlets import Type


class Channel(AsyncZMQSocketChannel):
    """A channel whose socket looks for messages after each one that it sent."""

    def send(self, msg: dict[str, Any]) -> None:
        """Send a message."""
        super().send(msg)
        self.socket.get(zmq.EVENTS)  # wakes who waits for the messages that are there


class Client(AsyncKernelClient):
    """jupyter_client's client with such channels."""

    shell_channel_class = Type(Channel)
    control_channel_class = Type(Channel)
    stdin_channel_class = Type(Channel)
