"""Depth first, breadth first with pruning by send, and a topological order that finds cycles."""

from collections import deque

GRAPH = {"a": ["b", "c"], "b": ["d"], "c": ["d", "e"], "d": ["f"], "e": ["f"], "f": []}


class Cycle(Exception):
    pass


def depth_first(node, seen=None):
    seen = set() if seen is None else seen
    if node not in seen:
        seen.add(node)
        yield node
        for successor in GRAPH[node]:
            yield from depth_first(successor, seen)


def breadth_first(start):
    queue, seen = deque([start]), {start}
    while queue:
        node = queue.popleft()
        prune = yield node
        if not prune:
            for successor in GRAPH[node]:
                if successor not in seen:
                    seen.add(successor)
                    queue.append(successor)


def topological(graph):
    done, active = set(), []

    def visit(node):
        if node in active:
            raise Cycle(" ".join(active + [node]))
        if node not in done:
            active.append(node)
            for successor in graph[node]:
                yield from visit(successor)
            active.pop()
            done.add(node)
            yield node

    for node in graph:
        yield from visit(node)


print(*depth_first("a"))
print(*breadth_first("a"))
search = breadth_first("a")
node = next(search)
visited = []
try:
    while True:
        visited.append(node)
        node = search.send(node == "c")
except StopIteration:
    print(*visited)
print(*topological(GRAPH))
try:
    print(*topological({"p": ["q"], "q": ["r"], "r": ["q"]}))
except Cycle as e:
    print("a cycle:", e.args[0])
