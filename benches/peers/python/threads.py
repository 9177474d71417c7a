"""Python's OS threads. Usage: threads.py WORK COUNT."""

import sys
import threading

from sample import per


def ping_pong(n):
    ping, pong = threading.Semaphore(0), threading.Semaphore(0)

    def answer():
        for _ in range(n):
            ping.acquire()
            pong.release()

    other = threading.Thread(target=answer)
    other.start()
    for _ in range(n):
        ping.release()
        pong.acquire()
    other.join()
    return n


def spawn_join(n):
    for _ in range(n):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    return n


def spawn_batch(batches):
    for _ in range(batches):
        threads = [threading.Thread(target=int) for _ in range(1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return batches * 1000


WORKS = {"ping-pong": ping_pong, "spawn-join": spawn_join, "spawn-batch": spawn_batch}
per(WORKS[sys.argv[1]], int(sys.argv[2]))
