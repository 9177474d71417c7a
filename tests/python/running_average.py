"""Averages by send; a summary when the input ends, collected by yield from."""


def averager():
    total, count = 0, 0
    average = None
    while True:
        x = yield average
        if x is None:
            return count, average
        total += x
        count += 1
        average = total / count


def grouper(results, key):
    while True:
        results[key] = yield from averager()


data = {"oaks": [12.5, 11.0, 9.5], "elms": [7.0, 8.0]}
results = {}
for key, heights in data.items():
    group = grouper(results, key)
    next(group)
    for height in heights:
        print(key, f"{group.send(height):.2f}")
    group.send(None)
for key, (count, average) in results.items():
    print(f"{count} {key} of {average:.3f} m")
