"""A lazy merge of sorted streams, and a merge sort made of it."""


def merge(a, b):
    end = object()
    x, y = next(a, end), next(b, end)
    while x is not end and y is not end:
        if y < x:
            yield y
            y = next(b, end)
        else:
            yield x
            x = next(a, end)
    if x is not end:
        yield x
        yield from a
    if y is not end:
        yield y
        yield from b


def merge_sort(items):
    if len(items) < 2:
        yield from items
    else:
        half = len(items) // 2
        yield from merge(merge_sort(items[:half]), merge_sort(items[half:]))


def loud(name, items):
    for item in items:
        print(name, "gives", item)
        yield item


merged = merge(loud("a", [1, 4, 7]), loud("b", [2, 3, 9]))
print(next(merged), next(merged), next(merged))
print(list(merged))
print(list(merge_sort([5, 2, 8, 1, 9, 3, 7, 4, 6, 0])))
