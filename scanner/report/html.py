"""Self-contained static pages: templates that escape everything, and a strict content policy."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scanner.report.text import plain

__all__ = ["breakable", "content_policy", "page_environment", "read_asset"]


def page_environment(package: str, filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Return the environment of the templates in ``package``: values are escaped, and an undefined
    name is an error."""
    environment = Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment


def read_asset(package: str, name: str) -> str:
    """Return a text file from the package's templates, such as a style sheet."""
    return files(package).joinpath("templates", name).read_text("utf-8")


def breakable(path: str) -> Markup:
    """Return a path escaped, with a place after each slash where a line may break.

    >>> breakable("a/<b>.ts")
    Markup('a/<wbr>&lt;b&gt;.ts')
    """
    return Markup("/<wbr>").join(plain(path).split("/"))


def content_policy(*, style: str, script: str | None = None, media: bool = False) -> str:
    """Return a Content-Security-Policy that allows only this style and script, and with ``media``
    pictures and videos beside the page."""
    directives = ["default-src 'none'"]
    if script is not None:
        directives.append(f"script-src '{_digest(script)}'")
    directives.append(f"style-src '{_digest(style)}'")
    if media:
        directives += ["img-src 'self'", "media-src 'self'"]
    return "; ".join((*directives, "base-uri 'none'", "form-action 'none'"))


def _finalize(value: Any) -> Any:
    """Remove control characters from every text before the template engine escapes it."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else plain(value)


def _digest(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
