"""Everything real but the API server: the machine's clock, OpenSSL, a listening port, and a rotation under it."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

from certs.managed.by_hand import rotate_authority
from certs.managed.self_dial import Dialler
from certs.managed.source import SelfManagedSource
from tests.certs.fakes import NAME, FakeSecrets, FakeTrust, World, settings


async def test_a_rotation_is_met_by_new_connections_and_unnoticed_by_open_ones() -> None:
    """The bundle as published is all that the clients trust, before, in the middle of and after the rotation."""
    world = World(time=datetime.now(UTC), tells_time=True)
    own, replicas = settings(publish_wait=timedelta(0)), []
    for _ in range(2):
        secrets = FakeSecrets(world)
        replicas.append(SelfManagedSource(secrets=secrets, trust=FakeTrust(world), settings=own))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context(cadata=world.entry().bundle.decode())
        return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=NAME)

    first, second = replicas
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=first.serving.listening_context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for replica in replicas:
            await replica.start()
        connections = [await connect()]
        before = first.serving.fingerprint
        await rotate_authority(secrets, settings=own)
        for _ in range(3):
            for replica in (second, first):
                await replica.round()
                connections.append(await connect())
        assert first.serving.fingerprint != before
        assert first.describe().counts["bugs"] == second.describe().counts["bugs"] == 0
        assert first.describe().phase == second.describe().phase == "promoted"
        for reader, writer in connections:
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.transport.abort()
        await Dialler("127.0.0.1", port)(bundle=world.entry().bundle, name=NAME)
        await asyncio.sleep(0)
