"""Coroutines that are sent items and pass them on: a source, filters, a broadcast, sinks (after D. Beazley)."""


def coroutine(function):
    def start(*arguments):
        c = function(*arguments)
        next(c)
        return c
    return start


def feed(lines, target):
    for line in lines:
        target.send(line)
    target.close()


@coroutine
def grep(word, target):
    try:
        while True:
            line = yield
            if word in line:
                target.send(line)
    except GeneratorExit:
        target.close()


@coroutine
def broadcast(targets):
    try:
        while True:
            item = yield
            for target in targets:
                target.send(item)
    except GeneratorExit:
        for target in targets:
            target.close()


@coroutine
def printer(prefix):
    count = 0
    try:
        while True:
            line = yield
            count += 1
            print(prefix, line)
    except GeneratorExit:
        print(prefix, "saw", count)


lines = ["the python and the fox", "a fox", "a snake", "python", "the fox again"]
feed(lines, broadcast([
    grep("python", printer("p>")),
    grep("fox", printer("f>")),
    grep("the", grep("again", printer("t>"))),
]))
