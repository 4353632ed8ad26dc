"""Merge the readings of a pump that were edited offline.

Field by field: one side's change stands. Where both sides changed a field, the
higher sequence number decides; of equal ones the greater value in canonical
form, so that every site decides alike. Clocks on the wall are not looked at.
"""

import functools
import json

from shapes.reading import CLOCK, fields


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def merge_two(base, a, b):
    later = max(a, b, key=lambda doc: (doc.get(CLOCK, 0), canonical(fields(doc))))
    merged = {}
    for name in {**a, **b}:
        if a.get(name) == b.get(name):
            merged[name] = a[name]
            continue
        changed = [doc for doc in (a, b) if doc.get(name) != base.get(name)]
        source = changed[0] if len(changed) == 1 else later
        if name in source:
            merged[name] = source[name]
    return merged


def resolve(base, revisions):
    """base document and list of conflicting revisions -> one merged payload"""
    merged = functools.reduce(functools.partial(merge_two, base or {}), revisions)
    merged["_id"] = revisions[0]["_id"]
    merged["_rev"] = revisions[0]["_rev"]
    return merged
