"""Producer and consumer that resume each other through a bounded store."""

from collections import deque


def consumer(store):
    total = 0
    while True:
        want = yield total
        while want and store:
            item = store.popleft()
            print("consumed", item)
            total += item
            want -= 1


def producer(store, room):
    n = 0
    try:
        while True:
            made = 0
            while len(store) < room:
                n += 1
                store.append(n)
                made += 1
            yield made
    finally:
        print("left in the store", list(store))


store = deque()
p, c = producer(store, 3), consumer(store)
next(c)
for want in (2, 3, 1):
    print("produced", next(p))
    print("total", c.send(want))
p.close()
c.close()
