"""close: unstarted, suspended, ended, refused; and del."""


def body(name):
    print(name, "started")
    try:
        yield 1
        yield 2
    finally:
        print(name, "cleans up")


unstarted = body("unstarted")
unstarted.close()
print(next(unstarted, "closed"))

suspended = body("suspended")
next(suspended)
suspended.close()
suspended.close()
print(next(suspended, "closed"))

ended = body("ended")
list(ended)
ended.close()

deleted = body("deleted")
next(deleted)
del deleted
print("deleted it")


def stubborn():
    try:
        yield 1
    except GeneratorExit:
        print("no")
    yield 2
    yield 3


g = stubborn()
next(g)
try:
    g.close()
except RuntimeError as e:
    print(e)
print(next(g))
g.close()


def grumbling():
    try:
        yield 1
    finally:
        raise KeyError("grumble")


g = grumbling()
next(g)
try:
    g.close()
except KeyError as e:
    print("out came", e.args[0])


def polite():
    try:
        yield 1
    except GeneratorExit:
        print("good-bye")
        return
    print("not reached")


g = polite()
next(g)
g.close()
print("closed")
