"""What a resolver may import from the couchmend that runs it."""


class Review(Exception):
    """Raise it to let a person decide: raise Review("two first names")."""
