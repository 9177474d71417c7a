"""Generators in the manner of itertools: chain, accumulate, groupby, batched, cycle, interleave, product."""

from itertools import islice


def chain(*all_items):
    for items in all_items:
        yield from items


def accumulate(items):
    total = 0
    for item in items:
        total += item
        yield total


def runs(items):
    items = iter(items)
    try:
        current, length = next(items), 1
    except StopIteration:
        return
    for item in items:
        if item == current:
            length += 1
        else:
            yield current, length
            current, length = item, 1
    yield current, length


def batched(items, n):
    items = iter(items)
    while batch := list(islice(items, n)):
        yield batch


def cycle(items):
    saved = []
    for item in items:
        yield item
        saved.append(item)
    while saved:
        yield from saved


def interleave(a, b):
    a, b = iter(a), iter(b)
    while True:
        try:
            yield next(a)
        except StopIteration:
            yield from b
            return
        a, b = b, a


def product(a, b):
    for x in a:
        for y in b:
            yield x, y


print(list(chain([1, 2], range(3), [9])))
print(list(accumulate([3, 1, 4, 1, 5])))
for item, length in runs("aaabccdddd"):
    print(item, length)
print(list(runs("")))
print(list(batched(range(7), 3)))
print(list(islice(cycle([1, 2, 3]), 8)))
print(list(interleave([1, 3, 5, 6, 7], [2, 4])))
print(list(product([1, 2], [10, 20])))
