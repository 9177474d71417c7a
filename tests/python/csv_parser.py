"""A parser that is sent characters and yields rows when they are complete."""


class BadQuote(Exception):
    pass


def parser():
    row, field, done = [], "", None
    while True:
        c = yield done
        done = None
        if c == '"':
            if field:
                raise BadQuote(field)
            field += yield from quoted()
            c = yield
            while c == '"':
                field += '"'
                field += yield from quoted()
                c = yield
        if c == ",":
            row.append(field)
            field = ""
        elif c == "\n":
            row.append(field)
            done, row, field = row, [], ""
        else:
            field += c


def quoted():
    text = ""
    while (c := (yield)) != '"':
        text += c
    return text


def rows(text):
    p = parser()
    next(p)
    for c in text:
        row = p.send(c)
        if row is not None:
            yield row


text = 'name,said\nAnn,"hello, you"\nBob,"he said ""no""\nand left"\n,\nx"y\n'
try:
    for row in rows(text):
        print(len(row), "; ".join(row))
except BadQuote as e:
    print("a quote after", e.args[0])
