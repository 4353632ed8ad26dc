import random


def resolve(base, revisions):
    merged = dict(revisions[0])
    merged["state"] = random.choice([r["state"] for r in revisions]) + str(random.random())
    return merged
