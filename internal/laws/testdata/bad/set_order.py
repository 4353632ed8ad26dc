def resolve(base, revisions):
    merged = dict(revisions[0])
    merged["tags"] = list(set().union(*(r.get("tags", []) for r in revisions)))
    return merged
