"""A backtracking solver: queens that do not attack each other."""


def queens(n, placed=()):
    row = len(placed)
    if row == n:
        yield placed
        return
    for column in range(n):
        if all(column != c and abs(column - c) != row - r for r, c in enumerate(placed)):
            yield from queens(n, placed + (column,))


for solution in queens(5):
    print(*solution)
print(sum(1 for _ in queens(6)))
print(*next(queens(8)))
print(list(queens(3)))
