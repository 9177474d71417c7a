"""StopIteration does not leak; the return value is handed out once."""


def leaks():
    yield 1
    raise StopIteration


g = leaks()
next(g)
try:
    next(g)
except RuntimeError as e:
    print(e)

g = leaks()
next(g)
try:
    g.throw(StopIteration())
except RuntimeError as e:
    print(e)


def catches():
    try:
        yield 1
    except StopIteration:
        return "caught it"


g = catches()
next(g)
try:
    g.throw(StopIteration())
except StopIteration as stop:
    print(stop.value)
try:
    next(g)
except StopIteration as stop:
    print(stop.value is None)


def outer():
    try:
        yield from leaks()
    except RuntimeError as e:
        print("outer:", e)


print(list(outer()))
