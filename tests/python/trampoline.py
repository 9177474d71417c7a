"""Recursion without a deep stack: generators yield the calls that they would make, and are sent the results."""

from functools import partial


class TooDeep(Exception):
    pass


def run(call, limit=100_000):
    stack, value, error = [call()], None, None
    while stack:
        try:
            if error is not None:
                e, error = error, None
                call = stack[-1].throw(e)
            else:
                call = stack[-1].send(value)
        except StopIteration as stop:
            stack.pop()
            value = stop.value
        except TooDeep as e:
            stack.pop()
            error = e
        else:
            if len(stack) < limit:
                stack.append(call())
                value = None
            else:
                error = TooDeep(len(stack))
    if error is not None:
        raise error
    return value


def triangle(n):
    if n == 0:
        return 0
    return n + (yield partial(triangle, n - 1))


def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return (yield partial(ackermann, m - 1, 1))
    inner = yield partial(ackermann, m, n - 1)
    return (yield partial(ackermann, m - 1, inner))


def careful(n):
    try:
        return (yield partial(triangle, n))
    except TooDeep as e:
        return -e.args[0]


print(run(partial(triangle, 500)))
print(run(partial(ackermann, 2, 3)))
print(run(partial(careful, 10), limit=50), run(partial(careful, 100), limit=50))
try:
    run(partial(triangle, 100), limit=50)
except TooDeep as e:
    print("too deep at", e.args[0])
