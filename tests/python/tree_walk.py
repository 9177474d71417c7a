"""A binary tree, walked in order: by yield from, and two at a time."""


class Tree:
    def __init__(self, value):
        self.value, self.left, self.right = value, None, None

    def insert(self, value):
        side = "left" if value < self.value else "right"
        if getattr(self, side):
            getattr(self, side).insert(value)
        else:
            setattr(self, side, Tree(value))


def walk(tree):
    if tree:
        yield from walk(tree.left)
        yield tree.value
        yield from walk(tree.right)


def grow(values):
    first, *rest = values
    tree = Tree(first)
    for value in rest:
        tree.insert(value)
    return tree


a = grow([50, 20, 80, 10, 30, 70, 90, 25])
b = grow([10, 20, 25, 30, 70, 50, 90, 80])
c = grow([10, 20, 26, 30, 70, 50, 90, 80])
print(list(walk(a)))
print(all(x == y for x, y in zip(walk(a), walk(b))))
print(next((x, y) for x, y in zip(walk(a), walk(c)) if x != y))
