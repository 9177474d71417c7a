"""Runs generators for tests/generator_protocol.rs: a line with a program, or with steps for it, comes in; outcomes go out."""

import sys


class A(Exception):
    pass


class B(Exception):
    pass


CLASSES = {"A": A, "B": B, "Exit": GeneratorExit, "Stop": StopIteration}
NAMES = {A: "A", B: "B", GeneratorExit: "Exit", StopIteration: "Stop", RuntimeError: "Runtime", ValueError: "Value",
         TypeError: "Type"}


def name(e):
    return NAMES[type(e)]


def itself(me, how, log):
    if not me:
        return
    try:
        if how == "next":
            next(me[0])
        elif how == "throw":
            me[0].throw(A())
        else:
            me[0].close()
    except ValueError as e:
        log.append(name(e))


def outcome(g, step):
    how, _, argument = step.partition(" ")
    try:
        if how == "close":
            return f"closed {g.close()}"
        if how == "next":
            return f"yields {next(g)}"
        if how == "send":
            return f"yields {g.send(int(argument))}"
        return f"yields {g.throw(CLASSES[argument]())}"
    except StopIteration as stop:
        return f"returns {stop.value}"
    except BaseException as e:
        return f"raises {name(e)}"


def run(steps):
    log, me = [], []
    g = scope["g0"](log, me)
    me.append(g)
    for step in steps:
        log.append(outcome(g, step))
    me.clear()
    log.append("dropped")
    del g
    return log


sys.unraisablehook = lambda _: None
print(f"{sys.version_info.major}.{sys.version_info.minor}", flush=True)
for line in sys.stdin:
    order, _, rest = line.rstrip("\n").partition(" ")
    if order == "def":
        scope = {"A": A, "B": B, "name": name, "itself": itself}
        exec(rest.replace("\x01", "\n"), scope)
    else:
        print(";".join(run(rest.split(";"))), flush=True)
