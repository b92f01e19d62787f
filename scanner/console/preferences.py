"""What a person prefers: how media is shown, what is not shown at all, and reminders.

The organisation's settings are the default; a person stores what differs from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from scanner.console.forms import Form
from scanner.settings.console import ConsoleSettings, ViewSettings

__all__ = ["REMINDERS", "VIEW_SWITCHES", "MediaView", "Preferences", "preferences_from", "stored"]

VIEW_SWITCHES: Final = ("blur", "greyscale", "mute", "autoplay")
REMINDERS: Final = ("break_minutes", "items", "severe_items", "unblurred_minutes")
MOST: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaView:
    """How media is shown until the person asks for it otherwise."""

    blur: bool = True
    greyscale: bool = True
    mute: bool = True
    autoplay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The preferences of one person, with the organisation's where there is none."""

    view: MediaView = MediaView()
    by_category: Mapping[str, MediaView] = field(default_factory=dict)
    """Views of single categories, which replace ``view``."""
    opted_out: frozenset[str] = frozenset()
    """Categories that the person does not want to see."""
    break_minutes: int = 60
    """Minutes of work after which a break is suggested; 0 for never."""
    items: int = 0
    """Items a day after which the person is told; 0 for never, as of the two below."""
    severe_items: int = 0
    unblurred_minutes: int = 0

    def view_of(self, category: str) -> MediaView:
        """Return how media of a category is shown."""
        return self.by_category.get(category, self.view)


def preferences_from(body: Mapping[str, Any], settings: ConsoleSettings) -> Preferences:
    """Return the preferences of a person who stored ``body``."""
    views: Mapping[str, Any] = body.get("views", {})
    general = _view(settings.view, body.get("view", {}))
    by_category = {
        name: _view(settings.view_by_category.get(name, general), views.get(name, {}))
        for name in {*settings.view_by_category, *views}
    }
    wellbeing = settings.wellbeing
    return Preferences(
        view=general,
        by_category=by_category,
        opted_out=frozenset(body.get("opted_out", ())),
        **{name: body.get(name, getattr(wellbeing, name)) for name in REMINDERS},
    )


def stored(form: Form, categories: tuple[str, ...]) -> dict[str, Any]:
    """Return what is stored of a form of preferences.

    Each switch is ``view.SWITCH``, or ``view.CATEGORY.SWITCH``: on, off, or empty for the default.

    Raises:
        ValueError: a number is not one, or out of range.
    """
    body: dict[str, Any] = {}
    if view := _switches(form, "view"):
        body["view"] = view
    views = {name: _switches(form, f"view.{name}") for name in categories}
    if views := {name: view for name, view in views.items() if view}:
        body["views"] = views
    if opted_out := sorted(set(form.all("opted_out")) & set(categories)):
        body["opted_out"] = opted_out
    for name in REMINDERS:
        if text := form.text(name).strip():
            body[name] = _number(name, text)
    return body


def _switches(form: Form, prefix: str) -> dict[str, bool]:
    given = {name: form.text(f"{prefix}.{name}") for name in VIEW_SWITCHES}
    return {name: value == "on" for name, value in given.items() if value in ("on", "off")}


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > MOST:
        raise ValueError(f"{name.replace('_', ' ')}: a whole number up to {MOST} is wanted")
    return int(text)


def _view(default: ViewSettings | MediaView, changes: Mapping[str, Any]) -> MediaView:
    base = MediaView(**{name: getattr(default, name) for name in VIEW_SWITCHES})
    return replace(base, **{name: bool(changes[name]) for name in changes if name in VIEW_SWITCHES})
