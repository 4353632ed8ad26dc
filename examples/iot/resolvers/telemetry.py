"""Merges batches of telemetry: the base document and the conflicting revisions
in, one canonical merged document out. It is plain Python and knows nothing of
couchmend.

Every rule is a join of what the sides changed, so that sites that merge in
different orders agree: it never asks which revision won, and no wall clock
decides. Readings are told apart by the sequence number that their device counts
up; times only come along.
"""

import json

MISSING = object()


def resolve(base, revisions):
    if len({r["device"] for r in revisions}) > 1:
        raise ValueError("the telemetry of two devices in one document")
    # Soft deletions merge as tombstones: an edit does not bring back what was
    # deleted, unless it was deleted before and someone restored it. What the
    # deletions left standing is joined without a look at what it was before.
    deleted = [r for r in revisions if r.get("deleted")]
    if deleted and not (base and base.get("deleted")):
        base, revisions = None, deleted
    merged = members(base, revisions, special={"last": latest, "readings": readings})
    merged["_id"] = revisions[0]["_id"]
    return merged


def members(was, values, special={}):
    """Objects, member by member; CouchDB's own members left out."""
    was = was if isinstance(was, dict) else {}
    merged = {}
    for name in sorted({name for v in values for name in v if not name.startswith("_")}):
        merge = special.get(name, changed)
        value = merge(was.get(name, MISSING), [v.get(name, MISSING) for v in values])
        if value is not MISSING:
            merged[name] = value
    return merged


def changed(was, values):
    """What one side changed stands. Of several changes, objects merge by their
    members, and of other values the greatest stands."""
    new = [v for v in values if order(v) != order(was)]
    if not new:
        return was
    top = max(order(v)[0] for v in new)
    new = [v for v in new if order(v)[0] == top]
    if top == OBJECT:
        return members(was, new)
    return max(new, key=order)


def latest(was, values):
    """The sample with the highest sequence number; one number twice, after a
    device lost its counter: the greater in canonical form."""
    new = [v for v in values if order(v) != order(was)]
    return max(new, key=lambda v: (sequence(v), order(v)), default=was)


def readings(was, values):
    """Readings by sequence number: what any side added, less what any pruned."""
    new = {order(v) for v in values if order(v) != order(was)}
    if len(new) < 2 or not all(v is MISSING or isinstance(v, list) for v in values):
        return changed(was, values)
    before, now = by_sequence(was), [by_sequence(v) for v in values]
    kept = (changed(before.get(n, MISSING), [v.get(n, MISSING) for v in now]) for n in sorted({n for v in now for n in v}))
    return [r for r in kept if r is not MISSING]


def by_sequence(samples):
    found = {}
    for r in samples if isinstance(samples, list) else []:
        found[sequence(r)] = max(r, found.get(sequence(r), MISSING), key=order)
    return found


def sequence(v):
    number = v.get("seq") if isinstance(v, dict) else None
    return number if isinstance(number, int) else -1


NOTHING, NULL, TRUTH, NUMBER, TEXT, ARRAY, OBJECT = range(7)


def order(v):
    """A total order of JSON values: by kind, numbers by value, all else by
    canonical form."""
    if v is MISSING:
        return (NOTHING, 0, "")
    text = json.dumps(v, sort_keys=True, separators=(",", ":"))
    if isinstance(v, (int, float)) and not isinstance(v, bool):
        return (NUMBER, v, text)
    kinds = {type(None): NULL, bool: TRUTH, str: TEXT, list: ARRAY, dict: OBJECT}
    return (kinds[type(v)], 0, text)
