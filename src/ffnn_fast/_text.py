"""Text for figures and terminals."""


def shortened(name: str, most: int) -> str:
    """`name` with at most `most` characters; its end is kept, since names often differ there."""
    tail = most // 3
    return name if len(name) <= most else f"{name[: most - tail - 1]}…{name[-tail:]}"
