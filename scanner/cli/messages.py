"""Messages to people on standard error. rich is loaded with the first of them."""

from __future__ import annotations

__all__ = ["count_of", "print_message"]


def print_message(text: str, *, style: str = "") -> None:
    """Print one message to stderr; it is not wrapped."""
    from scanner.cli.terminal import open_console, sanitize

    open_console(stderr=True).print(sanitize(text), style=style, soft_wrap=True)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun in the right form.

    >>> count_of(1, "file"), count_of(2, "file"), count_of(0, "entry")
    ('1 file', '2 files', '0 entries')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"
