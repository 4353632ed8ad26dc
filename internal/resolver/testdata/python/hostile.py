"""A resolver that does what the winner's member "do" says."""

import ctypes
import os
import random
import subprocess
import sys
import time

import couchmend


def allocate(doc):
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def circle(doc):
    doc["self"] = doc
    return doc


def deep(doc):
    return deep(doc)


def loop(doc):
    while True:
        pass


def nested(doc):
    for _ in range(100000):
        doc = [doc]
    return doc


def fork(doc):
    """Both processes return."""
    os.fork()
    return doc


def spawn(doc):
    child = subprocess.Popen(["sleep", "60"])
    with open(doc["pids"], "a") as pids:
        pids.write("%d\n%d\n" % (os.getpid(), child.pid))
    loop(doc)


def throw(error):
    raise error


def echo(doc):
    subprocess.run(["echo", "from a child"])
    return doc


def first_of_a_set(doc):
    return dict(doc, first=next(iter({"ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"})))


def print_for_ever(doc):
    while True:
        print("x" * 1000)


DO = {
    "right": lambda doc: dict(doc, merged=True),
    # time
    "loop": loop,
    "sleep": lambda doc: time.sleep(1000),
    "spawn": spawn,
    # memory
    "allocate": allocate,
    "large": lambda doc: dict(doc, text="x" * (3 << 20)),
    # the end of the process
    "sys.exit": lambda doc: sys.exit(3),
    "os._exit": lambda doc: os._exit(3),
    "segfault": lambda doc: ctypes.string_at(0),
    "close": lambda doc: os.closerange(0, 100),
    # standard output
    "print": lambda doc: print("hello") or doc,
    "print part": lambda doc: sys.stdout.write("hello") and doc,
    "print for ever": print_for_ever,
    "write": lambda doc: os.write(1, b"hello") and doc,
    "child prints": echo,
    "print and loop": lambda doc: print("hello") or loop(doc),
    # results
    "set": lambda doc: {1, 2},
    "nan": lambda doc: dict(doc, n=float("nan")),
    "circle": circle,
    "surrogate": lambda doc: dict(doc, text="\ud800"),
    "same name": lambda doc: {1: "a", "1": "b"},
    "nested": nested,
    # errors
    "raise": lambda doc: doc["missing"],
    "deep": deep,
    "base exception": lambda doc: throw(BaseException("no")),
    "odd exception": lambda doc: throw(Odd()),
    "review": lambda doc: throw(couchmend.Review("two names")),
    # chance
    "random": lambda doc: dict(doc, n=random.random()),
    "set order": first_of_a_set,
    "clock": lambda doc: dict(doc, at=time.perf_counter_ns()),
    "review at random": lambda doc: throw(couchmend.Review(str(random.random()))),
    "fork": fork,
}


class Odd(Exception):
    def __str__(self):
        raise ValueError("no words")


def resolve(base, revisions):
    return DO[revisions[0]["do"]](revisions[0])
