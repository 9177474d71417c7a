"""A state machine whose states are places in the code: a scanner that strips comments."""


def stripper():
    out = ""
    while True:
        c = yield out
        out = ""
        if c == "/":
            d = yield ""
            if d == "*":
                last = yield ""
                while True:
                    this = yield ""
                    if last + this == "*/":
                        break
                    last = this
                out = " "
            elif d == "/":
                while (yield "") != "\n":
                    pass
                out = "\n"
            else:
                out = c + d
        elif c == '"':
            out = c
            while True:
                c = yield out
                out = c
                if c == '"':
                    break
        else:
            out = c


def strip(text):
    machine = stripper()
    next(machine)
    return "".join(machine.send(c) for c in text)


source = """int a = 4/2; // half
char *s = "/* kept */"; /* gone **/ int b;
/* all
gone */ end"""
print(strip(source))
