"""Iterators of unequal length, taken in turn; those that end or fail drop out."""

from collections import deque


class Fault(Exception):
    pass


def round_robin(*sources):
    turn = deque(sources)
    while turn:
        source = turn.popleft()
        try:
            yield next(source)
        except StopIteration:
            continue
        except Fault as e:
            print("dropped:", e.args[0])
            continue
        turn.append(source)


def letters(text):
    yield from text


def faulty(n):
    for i in range(n):
        yield str(i)
    raise Fault(f"after {n}")


print(*round_robin(letters("abcd"), faulty(2), letters(""), letters("xyz")))
