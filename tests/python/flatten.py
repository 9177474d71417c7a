"""Nested lists made flat, and back."""


def flatten(items):
    for item in items:
        if isinstance(item, list):
            yield from flatten(item)
        else:
            yield item


def events(items):
    for item in items:
        if isinstance(item, list):
            yield "open"
            yield from events(item)
            yield "close"
        else:
            yield item


nested = [1, [2, [3, [], 4]], [[5]], 6]
print(list(flatten(nested)))
print(*events(nested))
print(list(flatten([[[[]]]])))
