"""yield, next, for, the return value."""


def countdown(n):
    print("starting")
    while n > 0:
        yield n
        n -= 1
    return "lift-off"


g = countdown(2)
print("made")
print(next(g))
print(next(g))
try:
    next(g)
except StopIteration as stop:
    print("returned", stop.value)
print(next(g, "nothing more"))

for n in countdown(3):
    print("in a loop", n)

shared = countdown(4)
for a, b in zip(shared, shared):
    print("a pair", a, b)
print(sum(countdown(4)), list(countdown(2)), max(countdown(3)))
