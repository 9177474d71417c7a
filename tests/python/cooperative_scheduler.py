"""A scheduler for tasks that are generators, which yield what they ask of it (after D. Beazley)."""

from collections import deque


class Scheduler:
    def __init__(self):
        self.ready, self.waiting, self.last = deque(), {}, 0

    def spawn(self, body):
        self.last += 1
        self.ready.append((self.last, body, None))
        return self.last

    def finish(self, task):
        print("task", task, "ended")
        for waiter, body in self.waiting.pop(task, []):
            self.ready.append((waiter, body, True))

    def run(self):
        while self.ready:
            task, body, answer = self.ready.popleft()
            try:
                call, argument = body.send(answer)
            except StopIteration:
                self.finish(task)
                continue
            if call == "wait" and any(t == argument for t, _, _ in self.ready):
                self.waiting.setdefault(argument, []).append((task, body))
                continue
            answer = None
            if call == "id":
                answer = task
            elif call == "spawn":
                answer = self.spawn(argument)
            elif call == "wait":
                answer = False
            elif call == "kill":
                for t, b, _ in list(self.ready):
                    if t == argument:
                        b.close()
                        self.ready = deque(r for r in self.ready if r[0] != t)
                        self.finish(t)
            self.ready.append((task, body, answer))


def worker(steps):
    me = yield ("id", None)
    try:
        for step in range(steps):
            print("task", me, "step", step)
            yield ("pause", None)
    finally:
        print("task", me, "cleans up")


def parent():
    short = yield ("spawn", worker(2))
    long = yield ("spawn", worker(1000))
    waited = yield ("wait", short)
    print("waited for", short, waited)
    yield ("kill", long)
    waited = yield ("wait", long)
    print("waited for", long, waited)


scheduler = Scheduler()
scheduler.spawn(parent())
scheduler.run()
