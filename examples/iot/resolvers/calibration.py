"""Calibration points, [input, output] each: those of both technicians, unless
they measured one input and got different outputs."""

from couchmend import Review


def points(base, revisions):
    before = table(base)
    now = [table(r) for r in revisions]
    merged = {}
    for x in sorted({x for t in now for x in t}):
        new = {t.get(x) for t in now} - {before.get(x)}
        if len(new) > 1:
            outputs = ", ".join(sorted(map(str, new)))
            raise Review(f"input {x} was calibrated differently: {outputs}")
        y = new.pop() if new else before[x]
        if y is not None:
            merged[x] = y
    return [[x, y] for x, y in merged.items()]


def table(value):
    value = value or []
    inputs = [x for x, y in value]
    if inputs != sorted(set(inputs)):
        raise Review("the points are not in the order of their inputs, each once")
    return dict(map(tuple, value))
