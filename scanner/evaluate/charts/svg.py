"""SVG elements; text and attributes are escaped, because names come from outside."""

from __future__ import annotations

import hashlib

from markupsafe import Markup, escape

from scanner.report.text import plain

__all__ = ["drawing", "element", "number", "text"]


def element(name: str, /, *children: str, **attributes: str | float) -> Markup:
    """Return one element. Children that are no ``Markup`` are text; ``stroke_width`` becomes
    ``stroke-width``, ``class_`` becomes ``class``.

    >>> print(element("text", "a < b", x=1.5, class_="tick"))
    <text x="1.5" class="tick">a &lt; b</text>
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(_name(key), _value(value)) for key, value in attributes.items()
    )
    inner = Markup("").join(
        child if isinstance(child, Markup) else escape(plain(child)) for child in children
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, inner)


def text(
    content: str, x: float, y: float, *, anchor: str = "start", **attributes: str | float
) -> Markup:
    """Return text at a position; ``anchor`` is ``start``, ``middle`` or ``end``."""
    return element(
        "text",
        content,
        x=x,
        y=y,
        text_anchor=anchor,
        **{"font_size": 12, "fill": "#52525b", **attributes},
    )


def drawing(
    title: str, description: str, width: float, height: float, *parts: Markup, left: float = 0.0
) -> Markup:
    """Return the whole picture: as wide as its container allows, and read aloud as its title and
    description. It begins ``left`` pixels to the left of x = 0."""
    key = hashlib.sha256(f"{title}\n{description}".encode("utf-8", "surrogatepass")).hexdigest()[
        :10
    ]
    return element(
        "svg",
        element("title", title, id=f"t{key}"),
        element("desc", description, id=f"d{key}"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_labelledby=f"t{key} d{key}",
        class_="chart",
        viewBox=f"{number(-left)} 0 {number(left + width)} {number(height)}",
        width=left + width,
        height=height,
        font_family="system-ui, sans-serif",
    )


def number(value: float) -> str:
    """Return a coordinate rounded to a hundredth of a pixel.

    >>> number(2.50001), number(-0.001)
    ('2.5', '0')
    """
    return f"{round(value, 2) + 0.0:g}"


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return plain(value) if isinstance(value, str) else number(value)
