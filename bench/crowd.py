"""What many connections hold in memory: `python -m bench.crowd`.

One replica with its defaults, on a file of ServiceAccounts, with the threshold of glibc that the chart sets. Each line
is of a new replica: resident memory of all processes at the end, each page once, and the most that the worker held.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import uvloop

from bench.webhooks import PATH, Webhook, ours, write_files
from testbed.cluster.processes import Workshop

__all__ = ["CROWDS", "main"]

CONNECTIONS = 500
SENT = 200 * 1024
LARGEST = 7 * 1024 * 1024 - 4096
STARE_SECONDS = 3.0
Ends = list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]


async def idle(_: Ends) -> None:
    """Nothing is sent."""
    await asyncio.sleep(0)


async def in_turn(ends: Ends) -> None:
    """Each sends a body of 200 KB, one after the other."""
    for reader, writer in ends:
        writer.write(_head(SENT) + b"x" * SENT)
        with suppress(ConnectionError):
            await writer.drain()
            await reader.readuntil(b"\r\n\r\n")


async def unfinished(ends: Ends) -> None:
    """All send 200 KB of a larger body at the same time, and stop."""
    await _together(ends, lambda writer: writer.write(_head(LARGEST) + b"x" * SENT))


async def large_values(ends: Ends) -> None:
    """Sixteen send the largest bodies of empty lists, which take most memory when they are parsed."""
    body = b"[" + b"[]," * (LARGEST // 3 - 2) + b"[]]"
    await _together(ends[:16], lambda writer: writer.write(_head(len(body)) + body))


async def many_values(ends: Ends) -> None:
    """All send 60 KB of empty lists at the same time."""
    body = b"[" + b"[]," * 20_000 + b"[]]"
    await _together(ends, lambda writer: writer.write(_head(len(body)) + body))


CROWDS: tuple[Callable[[Ends], Awaitable[None]], ...] = (idle, in_turn, unfinished, large_values, many_values)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description=(__doc__ or "").partition("\n")[0])
    parser.parse_args(arguments)
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"
    print(f"| {CONNECTIONS} connections | now, MiB | worker's peak, MiB |\n|---|---:|---:|")
    workshop = Workshop("m365wi-crowd-")
    try:
        files = write_files(workshop.directory)
        workshop.kill(ours(workshop, files).process)
        webhook = ours(workshop, files)
        webhook.check(files)
        print(f"| none | {webhook.usage.resident} | {webhook.usage.largest} |")
        workshop.kill(webhook.process)
        for crowd in CROWDS:
            webhook = ours(workshop, files)
            uvloop.run(_crowd(webhook, crowd))
            webhook.check(files)  # it still answers
            workshop.kill(webhook.process)
    finally:
        workshop.close()
    return 0


async def _crowd(webhook: Webhook, crowd: Callable[[Ends], Awaitable[None]]) -> None:
    context = ssl._create_unverified_context()
    ends = [await asyncio.open_connection("127.0.0.1", webhook.port, ssl=context) for _ in range(CONNECTIONS)]
    await crowd(ends)
    await asyncio.sleep(STARE_SECONDS)  # for bodies to arrive
    usage = webhook.usage
    print(f"| {(crowd.__doc__ or '').rstrip('.')} | {usage.resident} | {usage.largest} |", flush=True)
    for _, writer in ends:
        writer.transport.abort()


async def _together(ends: Ends, send: Callable[[asyncio.StreamWriter], None]) -> None:
    for _, writer in ends:
        send(writer)
    drained = (asyncio.wait_for(writer.drain(), STARE_SECONDS) for _, writer in ends)
    await asyncio.gather(*drained, return_exceptions=True)


def _head(length: int) -> bytes:
    lines = [f"POST {PATH}?timeout=10s HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


if __name__ == "__main__":
    sys.exit(main())
