"""A log tailer: lines from blocks that arrive in pieces, filtered, parsed, counted."""


def follow(blocks):
    rest = ""
    for block in blocks:
        *lines, rest = (rest + block).split("\n")
        yield from lines
    if rest:
        yield rest


def matching(word, lines):
    return (line for line in lines if word in line)


def fields(lines):
    for line in lines:
        time, level, text = line.split(" ", 2)
        yield int(time), level, text


def arriving():
    for block in ["1 INFO started\n2 WAR", "N low on space\n3 INFO wo", "rking\n", "", "4 WARN no space\n5 WARN gi"]:
        print("a block of", len(block))
        yield block
    yield "ving up"


count = 0
for time, level, text in fields(matching("WARN", follow(arriving()))):
    count += 1
    print(f"{time}: {text}")
print(count, "warnings")
