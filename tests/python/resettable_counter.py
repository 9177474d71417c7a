"""A counter that can be set, turned round and stopped from outside."""


class Reverse(Exception):
    pass


class Stop(Exception):
    pass


def counter(n):
    step = 1
    try:
        while True:
            try:
                to = yield n
                n = n + step if to is None else to
            except Reverse:
                step = -step
                n += step
    except Stop as stop:
        return f"{stop.args[0]} at {n}"


c = counter(5)
print(next(c), next(c), c.send(20), next(c))
print(c.throw(Reverse()), next(c), c.throw(Reverse()), next(c))
try:
    c.throw(Stop("enough"))
except StopIteration as stop:
    print(stop.value)
print(list(c))
