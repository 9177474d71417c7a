"""itertools.tee."""

from itertools import islice, tee


def source():
    for n in range(5):
        print("made", n)
        yield n


a, b = tee(source())
print(next(a), next(a))
print(next(b))
c = b.__copy__()
print(list(a))
print(list(islice(b, 2)), list(c))
print(list(b), next(a, "end"))


def pairwise(items):
    first, second = tee(items)
    next(second, None)
    return zip(first, second)


print([b - a for a, b in pairwise([1, 4, 9, 16])])
