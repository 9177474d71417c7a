"""A generator that resumes, closes or throws into itself."""


def body():
    for attempt in ("next", "send", "throw", "close"):
        try:
            if attempt == "next":
                next(g)
            elif attempt == "send":
                g.send(1)
            elif attempt == "throw":
                g.throw(KeyError())
            else:
                g.close()
        except ValueError as e:
            print(attempt, e)
        yield attempt
    try:
        yield from g
    except ValueError as e:
        print("yield from", e)


g = body()
for x in g:
    print(x)
