"""The command ``streamwarden users``."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.cli.options import Config, Json, wants_json
from scanner.cli.terminal import new_table, open_console, wall
from scanner.console.links import link_address, password_link, sign_in_link
from scanner.errors import SetupError
from scanner.intake.auditing import audit_log_of
from scanner.settings.sections import read_settings
from scanner.store.audit import AuditEntry
from scanner.store.database import Journal, open_journal
from scanner.store.people import Role, User
from scanner.store.reviews import VERDICTS
from scanner.store.sessions import Sessions
from scanner.store.throttle import SignInThrottle
from scanner.store.users import Users
from scanner.taxonomy import Taxonomy

__all__ = ["local_actor", "users_app"]

users_app = typer.Typer(
    help="People who use the review console.", no_args_is_help=True, pretty_exceptions_enable=False
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name to sign in with.")]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Address of the console in the link; default: public_url."),
]
Channels = Annotated[
    str | None,
    typer.Option("--channels", help="Channels that the user is limited to, with commas."),
]
Hide = Annotated[
    str | None,
    typer.Option("--hide", help="Categories that the user does not see, with commas."),
]
Decisions = Annotated[
    str | None,
    typer.Option("--decisions", help="Decisions that the user may make, with commas."),
]


@users_app.command("add")
def add_command(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.MODERATOR,
    channels: Channels = None,
    hide: Hide = None,
    decisions: Decisions = None,
    address: Address = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a user and print a link by which the user sets a password. It works once, for 3 days."""
    journal, base = _open(config, address, create=True)
    limits = _limits(channels, hide, decisions)
    facts = {"role": role.value, **_plain(limits)}
    user = _record(
        (journal, config),
        lambda: Users(journal).add(name, role=role, **limits),
        "user_added",
        **facts,
    )
    _print_link(password_link(journal, base, user), user, wants_json(as_json))


@users_app.command("list")
def list_command(config: Config = None, as_json: Json = False) -> None:
    """List all users."""
    journal, _ = _open(config, None)
    found = Users(journal).list_all()
    if wants_json(as_json):
        for user in found:
            sys.stdout.write(json.dumps(_row(user)) + "\n")
        return
    table = new_table("Users", "name", "role", "state", "second factor", "limits", "made")
    for user in found:
        table.add_row(
            user.name,
            user.role.value,
            _state(user, journal.now()),
            "yes" if user.has_totp else "no",
            _limits_text(user),
            wall(user.created_at),
        )
    open_console().print(table)


@users_app.command("reset")
def reset_command(
    name: Name,
    keep_factor: Annotated[
        bool, typer.Option("--keep-factor", help="Keep the second factor and the password.")
    ] = False,
    address: Address = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End a user's sessions and lock-out, remove the second factor and the password, and print a
    link by which the user sets a new password."""
    journal, base = _open(config, address)

    def reset() -> User:
        users = Users(journal)
        user = users.by_name(name)
        if not keep_factor:
            users.set_totp(user.user_id, None)
            users.set_password(user.user_id, None)
        Sessions(journal).end_all(user.user_id)
        SignInThrottle(journal).forget(user.name)
        return user

    factor = "kept" if keep_factor else "removed"
    user = _record((journal, config), reset, "user_reset", second_factor=factor)
    _print_link(password_link(journal, base, user), user, wants_json(as_json))


@users_app.command("link")
def link_command(
    name: Name, address: Address = None, config: Config = None, as_json: Json = False
) -> None:
    """Print a link into a session of a user. It works once, for 10 minutes."""
    journal, base = _open(config, address)
    user = _record((journal, config), lambda: Users(journal).by_name(name), "sign_in_link")
    _print_link(sign_in_link(journal, base, user), user, wants_json(as_json))


@users_app.command("disable")
def disable_command(name: Name, config: Config = None) -> None:
    """End a user's sessions, and allow no new one."""
    journal, _ = _open(config, None)
    user = Users(journal).by_name(name)
    _change((journal, config), user, Users(journal).disable, "user_disabled")


@users_app.command("enable")
def enable_command(name: Name, config: Config = None) -> None:
    """Allow a disabled user to sign in again."""
    journal, _ = _open(config, None)
    user = Users(journal).by_name(name)
    _change((journal, config), user, Users(journal).enable, "user_enabled")


@users_app.command("role")
def role_command(
    name: Name,
    role: Annotated[Role, typer.Argument(help="What the user may do from now on.")],
    config: Config = None,
) -> None:
    """Change a user's role, at once."""
    journal, _ = _open(config, None)
    user = Users(journal).by_name(name)
    change = partial(Users(journal).change, role=role)
    facts = {"before": user.role.value, "role": role.value}
    _change((journal, config), user, change, "user_role", **facts)


@users_app.command("restrict")
def restrict_command(
    name: Name,
    channels: Channels = None,
    hide: Hide = None,
    decisions: Decisions = None,
    config: Config = None,
) -> None:
    """Replace a user's restrictions by those that are given; without any, lift them all."""
    journal, _ = _open(config, None)
    user = Users(journal).by_name(name)
    limits = _limits(channels, hide, decisions)
    change = partial(Users(journal).change, **limits)
    _change((journal, config), user, change, "user_restricted", **_plain(limits))


def local_actor() -> str:
    """Return the actor of a command in the audit log: the user of this machine."""
    try:
        return f"command:{getpass.getuser()}"
    except (KeyError, OSError):
        return "command"


def _open(config: Path | None, address: str | None, *, create: bool = False) -> tuple[Journal, str]:
    settings = read_settings(config).service
    return open_journal(settings.data, create=create), address or link_address(settings)


def _change(
    of: tuple[Journal, Path | None],
    user: User,
    change: Callable[[str], None],
    action: str,
    **details: Any,
) -> None:
    """Run a change of a user by id, and record it in the same commit."""

    def changed() -> User:
        change(user.user_id)
        return user

    _record(of, changed, action, **details)


def _record(
    of: tuple[Journal, Path | None], change: Callable[[], User], action: str, **details: Any
) -> User:
    """Run a change that returns its user, and record it in the same commit."""
    journal, config = of
    log, actor = audit_log_of(journal, read_settings(config).service), local_actor()

    def entries(user: User) -> list[AuditEntry]:
        return [AuditEntry(actor=actor, action=action, subject=user.user_id, details=details)]

    return log.record(change, entries)


def _limits(channels: str | None, hide: str | None, decisions: str | None) -> dict[str, Any]:
    hidden = _split("--hide", hide) or frozenset()
    known = Taxonomy.load().categories
    if unknown := sorted(hidden - set(known)):
        raise SetupError(f"--hide: no category {unknown[0]}; there are {', '.join(known)}")
    allowed = _split("--decisions", decisions)
    if unknown := sorted((allowed or frozenset()) - set(VERDICTS)):
        raise SetupError(f"--decisions: no {unknown[0]}; there are {', '.join(VERDICTS)}")
    return {
        "channels": _split("--channels", channels),
        "hidden_categories": hidden,
        "decisions": allowed,
    }


def _split(option: str, text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    names = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not names:  # the page of the user has no other word for none than for all
        raise SetupError(f"{option}: names nothing; leave the option out for no restriction")
    return names


def _plain(limits: dict[str, Any]) -> dict[str, Any]:
    return {name: sorted(value) for name, value in limits.items() if value}


def _print_link(link: str, user: User, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"type": "link", "name": user.name, "link": link}) + "\n")
        return
    open_console(stderr=True).print(
        f"A link for {user.name}, who should open it soon; it works once:", style="dim"
    )
    sys.stdout.write(link + "\n")


def _row(user: User) -> dict[str, Any]:
    return {
        "type": "user",
        "id": user.user_id,
        "name": user.name,
        "role": user.role.value,
        "channels": None if user.channels is None else sorted(user.channels),
        "hidden_categories": sorted(user.hidden_categories),
        "decisions": None if user.decisions is None else sorted(user.decisions),
        "has_password": user.has_password,
        "has_second_factor": user.has_totp,
        "created_at": user.created_at,
        "expires_at": user.expires_at,
        "disabled_at": user.disabled_at,
    }


def _state(user: User, now: float) -> str:
    if user.disabled_at is not None:
        return "disabled"
    if not user.is_active(now):
        return "expired"
    return "active" if user.has_password else "no password yet"


def _limits_text(user: User) -> str:
    parts = {
        "channels": user.channels,
        "hidden": user.hidden_categories or None,
        "decisions": user.decisions,
    }
    texts = [f"{name} {', '.join(sorted(of))}" for name, of in parts.items() if of is not None]
    return "; ".join(texts) or "none"
