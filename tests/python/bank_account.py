"""An object as a coroutine: it is sent commands, refuses some by exceptions, and ends with a statement."""


class Insufficient(Exception):
    pass


def account(owner):
    balance, history = 0, []
    while True:
        command = yield balance
        if command is None:
            return owner, balance, history
        kind, amount = command
        if kind == "withdraw":
            amount = -amount
        if balance + amount < 0:
            history.append(0)
            try:
                yield "refused"
            except Insufficient:
                continue
        balance += amount
        history.append(amount)


a = account("Ann")
print(next(a))
print(a.send(("deposit", 100)), a.send(("withdraw", 30)))
print(a.send(("withdraw", 500)))
print(a.throw(Insufficient()))
print(a.send(("deposit", 7)))
try:
    a.send(None)
except StopIteration as stop:
    owner, balance, history = stop.value
    print(owner, balance, history)
