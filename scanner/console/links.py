"""One-use links: for the first administrator, for a new password, for a demonstration."""

from __future__ import annotations

import secrets
from typing import Final

from scanner.settings.service import ServiceSettings
from scanner.store.database import Journal
from scanner.store.people import Role, User
from scanner.store.sessions import LoginLinks
from scanner.store.users import Users

__all__ = ["add_demo_moderator", "admin_link", "link_address", "password_link", "sign_in_link"]

ADMIN_SECONDS: Final = 86400.0
PASSWORD_SECONDS: Final = 3 * 86400.0
SIGN_IN_SECONDS: Final = 600.0
DEMO_SECONDS: Final = 86400.0


def link_address(settings: ServiceSettings) -> str:
    """Return the address under which people reach the service, as far as the settings know it."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "https" if settings.tls_cert is not None else "http"
    return f"{scheme}://{host}:{settings.port}"


def admin_link(journal: Journal, address: str) -> str | None:
    """Return a link that creates the administrator, or None if there is a user already."""
    if Users(journal).any_lasting():
        return None
    code = LoginLinks(journal).add("create_admin", None, seconds=ADMIN_SECONDS)
    return _link(address, code)


def password_link(journal: Journal, address: str, user: User) -> str:
    """Return a link by which a user sets a password; it is valid for three days."""
    code = LoginLinks(journal).add("set_password", user.user_id, seconds=PASSWORD_SECONDS)
    return _link(address, code)


def sign_in_link(
    journal: Journal, address: str, user: User, *, seconds: float = SIGN_IN_SECONDS
) -> str:
    """Return a link into a session of a user, without a password."""
    code = LoginLinks(journal).add("sign_in", user.user_id, seconds=seconds)
    return _link(address, code)


def add_demo_moderator(journal: Journal, address: str) -> str:
    """Add a moderator who exists for a day, and return a link into a session."""
    name = f"demo-{secrets.token_hex(3)}"
    expires_at = journal.now() + DEMO_SECONDS
    user = Users(journal).add(
        name, role=Role.MODERATOR, display="Demo moderator", expires_at=expires_at
    )
    return sign_in_link(journal, address, user, seconds=DEMO_SECONDS)


def _link(address: str, code: str) -> str:
    return f"{address.rstrip('/')}/login/once#{code}"
