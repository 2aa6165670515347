"""Certificates of a test's own, and a server with TLS in front of one that has none."""

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SSL_REQUEST_BYTES = 8  # with which PostgreSQL's clients ask for TLS


def certify(folder: Path, name: str) -> Path:
    """Make key.pem and certificate.pem, which is its own authority, and return the latter."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    options = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    names = ["-addext", f"subjectAltName={name}"]
    subprocess.run(
        ["/usr/bin/openssl", "req", "-x509", *options, *names, *files],
        check=True,
        capture_output=True,
    )
    return certificate


@contextmanager
def terminated(target: int, folder: Path, *, postgres: bool = False) -> Iterator[int]:
    """Decrypt what comes to the port that is yielded, by the folder's certificate, for ``target``.

    With ``postgres`` a client asks for TLS first, as on QuestDB's PostgreSQL wire.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if postgres:
                await reader.readexactly(_SSL_REQUEST_BYTES)
                writer.write(b"S")
                await writer.start_tls(context)
            inside, outside = await asyncio.open_connection("127.0.0.1", target)
            await asyncio.gather(_pass(reader, outside), _pass(inside, writer))

    async def start() -> asyncio.Server:
        encrypted = None if postgres else context
        return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=encrypted)

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
