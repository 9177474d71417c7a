"""An asynchronous generator: async for, asend, athrow, aclose, beside another task."""

import asyncio


class Reset(Exception):
    pass


async def ticker(limit):
    n = 0
    try:
        while n < limit:
            await asyncio.sleep(0.001)
            try:
                step = yield n
            except Reset:
                print("reset")
                n = 0
                continue
            n += step or 1
    finally:
        await asyncio.sleep(0.001)
        print("cleaned up")


async def main():
    async for n in ticker(3):
        print("tick", n)

    t = ticker(100)
    print(await t.asend(None), await t.asend(10), await t.asend(20))
    print(await t.athrow(Reset()))
    print(await t.asend(7))
    await t.aclose()
    try:
        await t.asend(1)
    except StopAsyncIteration:
        print("over")

    other = asyncio.create_task(asyncio.sleep(0.001, "another task ran"))
    print([n async for n in ticker(4)], await other)


asyncio.run(main())
