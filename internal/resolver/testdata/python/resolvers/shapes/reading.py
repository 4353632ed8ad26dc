CLOCK = "seq"


def fields(doc):
    return {name: value for name, value in doc.items() if not name.startswith("_")}
