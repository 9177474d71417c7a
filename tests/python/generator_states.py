"""inspect.getgeneratorstate, and generator expressions."""

import inspect


def state(g):
    return inspect.getgeneratorstate(g).removeprefix("GEN_").lower()


def body():
    print("inside:", state(g))
    yield 1


g = body()
print(state(g))
next(g)
print(state(g))
next(g, None)
print(state(g))

squares = (print("squaring", n) or n * n for n in range(3))
print(state(squares))
print(next(squares), next(squares))
try:
    squares.throw(KeyError("out"))
except KeyError as e:
    print(e.args[0])
print(list(squares), state(squares))
