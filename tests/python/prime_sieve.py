"""A pipeline that grows a filter for each prime that it finds."""

from itertools import count, islice


def without_multiples(prime, numbers):
    for n in numbers:
        if n % prime:
            yield n


def primes():
    numbers = count(2)
    while True:
        prime = next(numbers)
        yield prime
        numbers = without_multiples(prime, numbers)


print(*islice(primes(), 60))
