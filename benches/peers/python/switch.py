"""Bare switches: a generator's send and next, greenlet's switch. Usage: switch.py generator|next|greenlet COUNT."""

import sys

from sample import per


def generator(n):
    def echo():
        value = None
        while True:
            value = yield value

    send = echo().send
    send(None)
    for i in range(n):
        send(i)
    return n


def advance(n):
    def count():
        value = 0
        while True:
            yield value
            value += 1

    numbers = count()
    for _ in range(n):
        next(numbers)
    return n


def green(n):
    import greenlet

    main = greenlet.getcurrent()

    def echo(value):
        while True:
            value = main.switch(value)

    switch = greenlet.greenlet(echo).switch
    for i in range(n):
        switch(i)
    return n


per({"generator": generator, "next": advance, "greenlet": green}[sys.argv[1]], int(sys.argv[2]))
