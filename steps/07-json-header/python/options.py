"""A time, as both programs take it from the command line."""

MAX_SECONDS = 1e9  # some thirty years; systems cannot wait much longer


def seconds(text):
    """Returns a number of seconds above zero."""
    value = float(text)
    if not 0 < value < MAX_SECONDS:
        raise ValueError(f"{text} is not a time above zero")
    return value
