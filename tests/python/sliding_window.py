"""A window that slides over a stream, its median, and an alarm."""

from collections import deque


def windows(items, size):
    window = deque(maxlen=size)
    for item in items:
        window.append(item)
        if len(window) == size:
            yield list(window)


def medians(items, size):
    for window in windows(items, size):
        yield sorted(window)[size // 2]


def alarms(items, limit):
    high = False
    for at, item in enumerate(items):
        if (item > limit) != high:
            high = not high
            yield at, "on" if high else "off"


stream = [3, 4, 50, 3, 5, 40, 45, 41, 6, 44, 3, 2, 1]
for window in windows(stream[:5], 3):
    print(window)
print(list(medians(stream, 3)))
for at, state in alarms(medians(stream, 3), 30):
    print(at, state)
