"""send, beside next, before the start, and at the end."""


def recorder():
    seen = []
    while len(seen) < 3:
        got = yield f"{len(seen)} so far"
        seen.append(got)
    return seen


g = recorder()
try:
    g.send("too early")
except TypeError:
    print("not started")
print(next(g))
print(g.send("first"))
print(next(g))
try:
    g.send("third")
except StopIteration as stop:
    for got in stop.value:
        print("got", "nothing" if got is None else got)
try:
    g.send("too late")
except StopIteration as stop:
    print("over", stop.value is None)


def doubler():
    x = 0
    while True:
        x = 2 * (yield x)


g = doubler()
g.send(None)
print(*[g.send(i) for i in range(1, 5)])
