"""The tower of Hanoi: a recursive generator of moves, and a checker that is sent them."""


def moves(n, source, target, spare):
    if n:
        yield from moves(n - 1, source, spare, target)
        yield source, target
        yield from moves(n - 1, spare, target, source)


def checker(n):
    pegs = {"a": list(range(n, 0, -1)), "b": [], "c": []}
    count = 0
    while len(pegs["c"]) < n:
        source, target = yield count
        disc = pegs[source].pop()
        if pegs[target] and pegs[target][-1] < disc:
            raise ValueError(f"{disc} on {pegs[target][-1]}")
        pegs[target].append(disc)
        count += 1
    return count


for source, target in moves(3, "a", "c", "b"):
    print(source, "->", target)

check = checker(7)
next(check)
try:
    for move in moves(7, "a", "c", "b"):
        check.send(move)
except StopIteration as stop:
    print("solved in", stop.value)

check = checker(3)
next(check)
try:
    for move in [("a", "b"), ("a", "b")]:
        check.send(move)
except ValueError as e:
    print("wrong:", e)
