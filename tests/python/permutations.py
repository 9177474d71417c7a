"""Permutations and combinations by recursion."""


def permutations(items):
    if not items:
        yield []
    for i, first in enumerate(items):
        for rest in permutations(items[:i] + items[i + 1:]):
            yield [first] + rest


def combinations(items, k):
    if k == 0:
        yield []
    elif items:
        first, *rest = items
        for tail in combinations(rest, k - 1):
            yield [first, *tail]
        yield from combinations(rest, k)


for p in permutations([1, 2, 3]):
    print(p)
print(sum(1 for _ in permutations([1, 2, 3, 4, 5])))
for c in combinations([1, 2, 3, 4], 2):
    print(c)
