"""What @contextmanager does: the body of a with statement runs where a generator is suspended."""

from contextlib import contextmanager


class Failure(Exception):
    pass


@contextmanager
def transaction(name):
    print("begin", name)
    try:
        yield f"<{name}>"
    except Failure as e:
        print("roll back:", e.args[0])
    else:
        print("commit")
    finally:
        print("end", name)


with transaction("good") as t:
    print("working in", t)

with transaction("bad") as t:
    print("working in", t)
    raise Failure("no space")

try:
    with transaction("worse"):
        raise KeyError("something else")
except KeyError as e:
    print("passed on:", e.args[0])
