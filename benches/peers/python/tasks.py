"""asyncio's tasks. Usage: tasks.py WORK COUNT."""

import asyncio
import sys
import time

YIELDS = 20


async def yields(n):
    for _ in range(n):
        await asyncio.sleep(0)


async def yield_pair(n):
    began = time.perf_counter_ns()
    await asyncio.gather(yields(n), yields(n))
    return began, 2 * n


async def yield_many(threads):
    started = 0
    gate = asyncio.Event()

    async def one():
        nonlocal started
        started += 1
        await gate.wait()
        await yields(YIELDS)

    tasks = [asyncio.create_task(one()) for _ in range(threads)]
    while started < threads:
        await asyncio.sleep(0)
    began = time.perf_counter_ns()
    gate.set()
    await asyncio.gather(*tasks)
    return began, threads * YIELDS


async def ping_pong(n):
    ping, pong = asyncio.Event(), asyncio.Event()

    async def answer():
        for _ in range(n):
            await ping.wait()
            ping.clear()
            pong.set()

    other = asyncio.create_task(answer())
    began = time.perf_counter_ns()
    for _ in range(n):
        ping.set()
        await pong.wait()
        pong.clear()
    await other
    return began, n


async def result(i):
    return i


async def spawn_join(n):
    began = time.perf_counter_ns()
    for i in range(n):
        await asyncio.create_task(result(i))
    return began, n


async def spawn_batch(batches):
    began = time.perf_counter_ns()
    for _ in range(batches):
        tasks = [asyncio.create_task(result(i)) for i in range(1000)]
        for task in tasks:
            await task
    return began, batches * 1000


async def main(work, n):
    await work(n // 10 + 1)
    began, operations = await work(n)
    print("value", (time.perf_counter_ns() - began) / operations)


WORKS = {
    "yield-pair": yield_pair,
    "yield-many": yield_many,
    "ping-pong": ping_pong,
    "spawn-join": spawn_join,
    "spawn-batch": spawn_batch,
}

asyncio.run(main(WORKS[sys.argv[1]], int(sys.argv[2])))
