"""throw: caught, not caught, caught and raised anew, before the start, after the end."""


class Low(Exception):
    pass


class High(Exception):
    pass


def body():
    print("started")
    while True:
        try:
            yield "ready"
        except Low as e:
            print("caught low", e.args[0])
        finally:
            print("finally")


g = body()
print(next(g))
print(g.throw(Low(1)))
print(g.throw(Low(2)))
try:
    g.throw(High(3))
except High as e:
    print("out came high", e.args[0])
try:
    g.throw(Low(4))
except Low as e:
    print("ended, so out came low", e.args[0])
print(next(g, "ended"))

g = body()
try:
    g.throw(Low(5))
except Low as e:
    print("never started", e.args[0])
print(next(g, "ended"))


def translator():
    try:
        yield 1
    except Low as e:
        raise High(e.args[0] * 10)


g = translator()
next(g)
try:
    g.throw(Low(6))
except High as e:
    print("translated", e.args[0])


def returner():
    try:
        yield 1
    except Low as e:
        return e.args[0]


g = returner()
next(g)
try:
    g.throw(Low(7))
except StopIteration as stop:
    print("returned", stop.value)


def raiser():
    yield 1
    raise High(8)


try:
    for x in raiser():
        print("got", x)
except High as e:
    print("the loop ended with", e.args[0])
