def score(base, revisions):
    return max(revisions)
