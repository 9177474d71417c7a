"""Prints a sample the way the runner reads it."""

import time


def per(work, count):
    """Times work(count) after a tenth of it for warmth; work returns how many operations it did."""
    work(count // 10 + 1)
    began = time.perf_counter_ns()
    operations = work(count)
    print("value", (time.perf_counter_ns() - began) / operations)
