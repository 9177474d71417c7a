"""yield from: values, send, throw, close, the inner return value, plain iterables."""


class Oops(Exception):
    pass


def inner():
    total = 0
    try:
        while True:
            try:
                x = yield total
            except Oops:
                print("inner caught")
                x = 100
            if x is None:
                return total
            total += x
    finally:
        print("inner ends")


def outer(results):
    for _ in range(2):
        result = yield from inner()
        results.append(result)
    yield from ["a", "b"]
    try:
        yield from inner()
    except ValueError:
        print("outer caught")
    yield "last"
    yield from inner()
    print("not reached")


results = []
g = outer(results)
print(next(g))
print(g.send(1), g.send(2), g.throw(Oops()))
print(next(g))
print(results)
print(g.send(5), next(g), results)
print(next(g), next(g))
print(g.throw(ValueError()))
print(next(g))
g.close()
print(next(g, "closed"))
