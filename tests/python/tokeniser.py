"""A tokeniser, and a calculator that reads its tokens."""


def tokens(text):
    at = 0
    while at < len(text):
        c = text[at]
        if c.isspace():
            at += 1
        elif c.isdigit():
            start = at
            while at < len(text) and text[at].isdigit():
                at += 1
            yield ("number", int(text[start:at]))
        elif c in "+-*/()":
            yield ("sign", c)
            at += 1
        else:
            raise SyntaxError(f"{c} at {at}")
    yield ("end", None)


class Parser:
    def __init__(self, text):
        self.tokens = tokens(text)
        self.advance()

    def advance(self):
        self.kind, self.value = next(self.tokens)

    def sum(self):
        value = self.product()
        while self.kind == "sign" and self.value in "+-":
            sign = self.value
            self.advance()
            right = self.product()
            value = value + right if sign == "+" else value - right
        return value

    def product(self):
        value = self.atom()
        while self.kind == "sign" and self.value in "*/":
            sign = self.value
            self.advance()
            right = self.atom()
            value = value * right if sign == "*" else value // right
        return value

    def atom(self):
        kind, value = self.kind, self.value
        self.advance()
        if kind == "number":
            return value
        value = self.sum()
        self.advance()
        return value


for text in ["1 + 2 * 3", "(1+2)*3 - 20/4", "((7))", "2 * (3 + $)"]:
    try:
        print(text, "=", Parser(text).sum())
    except SyntaxError as e:
        print("unexpected", e)
