"""The page of one item: what was flagged, why, what happened before, and the decision."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from scanner.console.item_view import clips_of, reason_choices, tiles_of, why_sentences
from scanner.console.preferences import MediaView
from scanner.console.queue_pages import (
    latest_undoable,
    next_page,
    people_names,
    read_filter,
    read_names,
    return_query,
    skip_item,
    skipped_items,
)
from scanner.console.rendering import lead_to, render
from scanner.console.review_answers import DecisionInput
from scanner.console.reviewing import (
    assign_item,
    claim_item,
    decide_item,
    may_judge,
    release_item,
    seen_item,
    sight_of,
    undo_item,
)
from scanner.console.risk_view import RiskView, make_risk_view, restrict_window
from scanner.console.session import (
    Form,
    Person,
    Role,
    console_router,
    form_of,
    person_of,
    require_role,
)
from scanner.console.unsent_pages import read_unsent, sent_notice
from scanner.console.wellbeing import preferences_of, record_exposure
from scanner.intake.context import WebContext, context_of
from scanner.intake.problems import Problem
from scanner.store.audit import AuditEntry
from scanner.store.review_queries import QueueFilter, Sight
from scanner.store.review_versions import item_version
from scanner.store.reviews import VERDICTS
from scanner.store.stream_window import StreamWindow, read_window
from scanner.taxonomy import MAX_SEVERITY

__all__ = ["item_routes"]

item_routes = console_router()

ItemId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$")]
BEFORE, AFTER = 60.0, 30.0
"""Seconds around an incident of which the risk is drawn."""
LONGEST: Final = 1800.0
"""Seconds of a long incident of which the risk is drawn: its latest ones."""
LIVE_SECONDS: Final = 3600.0
"""Time in which a page that follows an item is one view of it, beside the one that opened it."""
KEPT_SWITCHES: Final = ("blur", "greyscale", "mute")
"""Switches of an item's page that are remembered."""
ENDINGS: Final[Mapping[str | None, str]] = {
    None: "it is still running",
    "quiet": "the level fell",
    "unseen": "the stream was not seen for too long",
    "ended": "the stream ended",
    "withdrawn": "its label has no policy any more",
}
"""Why an incident closed, in words."""
REFUSALS: Final[Mapping[str, str]] = {
    "claimed": "Nothing was recorded: somebody else works on this item.",
    "decided": "Nothing was recorded: this item is decided already.",
    "grew": "Nothing was recorded: more was flagged in this item meanwhile. Look at it again.",
    "second_person": "Nothing was recorded: another person has to look at this item.",
    "forbidden": "Nothing was recorded: you may not make this decision about this item.",
    "too_late": "This decision can no longer be undone.",
}
"""What a page says after a decision that was refused."""


@item_routes.get("/incidents/{item_id}")
async def old_page(request: Request, item_id: ItemId) -> Response:
    """Lead from the address of earlier releases to the item."""
    person_of(request)
    return RedirectResponse(f"/review/{item_id}", status_code=303)


@item_routes.get("/review/{item_id}")
async def show_item(request: Request, item_id: ItemId) -> Response:
    """Show an item; the view is recorded before anything of it is sent."""
    context, person = context_of(request), person_of(request)
    version = await context.read(item_version, context.journal, item_id)
    item = await seen_item(context, person, item_id)
    await context.audit(person, "view", item_id)
    wanted, is_severe = read_filter(request.url.query), item["severity"] == MAX_SEVERITY
    values, poster, _ = await asyncio.gather(
        _facts(request, person, item),
        context.read(_next_poster, context, person, wanted.wanted(), item_id),
        record_exposure(request, items=1, severe_items=int(is_severe)),
    )
    return render(
        request,
        "item.html",
        filter=return_query(wanted),
        next_poster=poster,
        refusal=REFUSALS.get(request.query_params.get("refused", "")),
        sent=sent_notice(request),
        undoable=await latest_undoable(context, person),
        reasons=reason_choices(item),
        verdicts=[one for one in VERDICTS if person.decisions is None or one in person.decisions],
        version=version,
        **values,
    )


@item_routes.get("/review/{item_id}/live")
async def show_live(request: Request, item_id: ItemId) -> Response:
    """Show the parts of an item that change while it is on a page."""
    context, person = context_of(request), person_of(request)
    version = await context.read(item_version, context.journal, item_id)
    item = await seen_item(context, person, item_id)
    entry = AuditEntry(actor=person.user_id, action="view", subject=item_id, details={"live": True})
    await context.audit_writer.append_view(entry, "live", seconds=LIVE_SECONDS)
    values = await _facts(request, person, item)
    return render(request, "item_changes.html", version=version, **values)


@item_routes.post("/review/{item_id}/claim")
async def claim(request: Request, item_id: ItemId) -> Response:
    """Take or renew the lease of an item, and show whose it is."""
    context, person = context_of(request), person_of(request)
    await claim_item(context, person, item_id)
    item = await seen_item(context, person, item_id)
    names, may_decide = await people_names(context), may_judge(person, item)
    return render(request, "item_claim.html", item=item, names=names, may_decide=may_decide)


@item_routes.post("/review/{item_id}/skip")
async def skip(request: Request, item_id: ItemId) -> Response:
    """Give an item back, and open the next one."""
    context, person = context_of(request), require_role(request, Role.MODERATOR)
    form = await form_of(request)
    await release_item(context, person, item_id)
    skip_item(context, person, item_id)
    return await next_page(request, person, read_filter(form.text("filter")))


@item_routes.post("/review/{item_id}/decide")
async def decide(request: Request, item_id: ItemId) -> Response:
    """Record a decision, and open the next item."""
    context, person = context_of(request), person_of(request)
    form = await form_of(request)
    wanted = read_filter(form.text("filter"))
    try:
        shown = form.text("labels").split() or None
        await decide_item(context, person, item_id, _decision_of(form), shown=shown)
    except Problem as problem:
        if problem.type.name not in REFUSALS:
            raise
        return _back(request, item_id, return_query(wanted), problem.type.name)
    if form.text("next"):
        return await next_page(request, person, wanted)
    return _back(request, item_id, return_query(wanted))


@item_routes.post("/review/{item_id}/undo")
async def undo(request: Request, item_id: ItemId) -> Response:
    """End a decision, and show its item again. One that a form names is ended once, whatever was
    decided before it."""
    context, person = context_of(request), person_of(request)
    named = (await form_of(request)).text("decision")
    if named and await _is_undone(context, person, item_id, named):
        return _back(request, item_id, "")
    try:
        await undo_item(context, person, item_id, named or None)
    except Problem as problem:
        if problem.type.name not in REFUSALS:
            raise
        return _back(request, item_id, "", problem.type.name)
    return _back(request, item_id, "")


@item_routes.post("/review/{item_id}/assign")
async def assign(request: Request, item_id: ItemId) -> Response:
    """Give an item to a person, or to everybody."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    to = (await form_of(request)).text("person") or None
    await assign_item(context, person, item_id, to)
    return _back(request, item_id, "")


@item_routes.post("/review/{item_id}/shown")
async def note_shown(request: Request, item_id: ItemId) -> Response:
    """Record that media of an item is shown without blur, before it is."""
    context, person = context_of(request), person_of(request)
    await seen_item(context, person, item_id)
    seconds = (await form_of(request)).text("seconds")
    if not seconds:
        await context.audit(person, "unblur", item_id)
    elif re.fullmatch(r"[0-9]{1,5}(\.[0-9])?", seconds):
        await record_exposure(request, unblurred_seconds=float(seconds))
    return Response(status_code=204)


@item_routes.post("/review/{item_id}/view")
async def keep_view(request: Request, item_id: ItemId) -> Response:
    """Remember how the person wants media of the item's category to be shown from now on."""
    context, person = context_of(request), person_of(request)
    item, form = await seen_item(context, person, item_id), await form_of(request)
    switch, value = form.text("switch"), form.text("value")
    if switch not in KEPT_SWITCHES or value not in ("on", "off"):
        raise Problem("invalid_request", f"switch: one of {', '.join(KEPT_SWITCHES)}, on or off")
    await context.change(
        person,
        "preferences",
        person.user_id,
        context.users.set_view,
        person.user_id,
        item["category"],
        switch,
        value == "on",
        details={"category": item["category"], switch: value},
    )
    return Response(status_code=204)


def _back(request: Request, item_id: str, query: str, refused: str = "") -> Response:
    parts = [part for part in (query, f"refused={refused}" if refused else "") if part]
    end = f"?{'&'.join(parts)}" if parts else ""
    return lead_to(request, f"/review/{item_id}{end}")


async def _is_undone(context: WebContext, person: Person, item_id: str, decision: str) -> bool:
    """Return whether a decision of an item was ended already."""
    item = await seen_item(context, person, item_id)
    return any(
        one["decision_id"] == decision and one["undone_by"] is not None for one in item["decisions"]
    )


def _decision_of(form: Form) -> DecisionInput:
    """Return the decision that a form of the page names.

    Raises:
        Problem: ``invalid_request``.
    """
    verdict = form.text("verdict")
    mute = form.text("mute").partition(":") if verdict == "no_violation" else ("", "", "")
    note = form.text("note").replace("\r\n", "\n").strip()  # as browsers count its characters
    given: dict[str, Any] = {"verdict": verdict, "note": note}
    if verdict == "violation":
        given["reason"] = form.text("reason") if "reason" in form.fields else None
        if given["reason"] == "":
            raise Problem("invalid_request", "choose the label that is violated")
    if mute[2]:
        given["mute"] = {"scope": mute[0], "seconds": mute[2]}
    try:
        return DecisionInput.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Problem("invalid_request", f"{where}: {first['msg']}") from error


async def _facts(request: Request, person: Person, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the templates that show an item."""
    context = context_of(request)
    incident, earlier, names = await context.read(_read_facts, context, item, sight_of(person))
    hidden = person.hidden_categories
    risk = None if incident is None else await _risk(context, item, incident, hidden)
    unsent = []
    if person.has_role(Role.LEAD):
        unsent = await read_unsent(context, person, str(item["item_id"]))
    pieces = [] if incident is None else incident["evidence"]
    sheet = next(
        (one for one in pieces if one["piece"] == "sheet" and one["status"] == "cut"), None
    )
    return {
        "item": item,
        "incident": incident,
        "image": await _image(context, item),
        "clips": clips_of(pieces),
        "sheet": sheet,
        "tiles": () if sheet is None else tiles_of(sheet, item["label"], risk),
        "waiting_pieces": [one["piece"] for one in pieces if one["status"] == "due"],
        "failed_pieces": [one for one in pieces if one["status"] == "failed"],
        "risk": risk,
        "why": [] if incident is None else list(why_sentences(item, incident["why"])),
        "ending": ENDINGS.get(None if incident is None else incident["reason"]),
        "earlier": earlier,
        "names": names,
        "now": context.journal.now(),
        "may_decide": may_judge(person, item),
        "leads": person.has_role(Role.LEAD),
        "unsent": unsent,
        "view": _view(request, item["category"]),
    }


def _next_poster(
    context: WebContext, person: Person, wanted: QueueFilter, item_id: str
) -> str | None:
    """Return the address of the blurred picture of the item that follows, if it has one."""
    following = context.review_queries.next_item(
        wanted,
        sight_of(person),
        person.user_id,
        leads=person.has_role(Role.LEAD),
        without=[item_id, *skipped_items(context, person)],
    )
    poster = None if following is None else context.incidents.piece(following, "poster-1")
    if poster is None or poster["status"] != "cut":
        return None
    return f"/review/{following}/media/poster-1"


def _read_facts(
    context: WebContext, item: Mapping[str, Any], sight: Sight
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], Mapping[str, str]]:
    """Return the incident of an item, earlier items of its stream and channel, and names."""
    incident = None
    if item["kind"] == "incident":
        incident = context.incidents.incident(item["item_id"])
    return incident, context.review_queries.earlier(item, sight), read_names(context)


async def _risk(
    context: WebContext,
    item: Mapping[str, Any],
    incident: Mapping[str, Any],
    hidden: frozenset[str],
) -> RiskView | None:
    """Return the risk around an incident, up to what is folded, without hidden categories."""
    end = float("inf") if incident["end"] is None else incident["end"] + AFTER
    start = max(incident["start"] - BEFORE, 0.0)
    if incident["end"] is not None:
        start = max(start, end - LONGEST)
    window: StreamWindow | None = await context.read(
        read_window, context.journal, item["stream_id"], start, end
    )
    if window is None:
        return None
    return await asyncio.to_thread(make_risk_view, restrict_window(window, hidden))


async def _image(context: WebContext, item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the verdict and the scores of a flagged picture, or None for an incident."""
    if item["kind"] != "image":
        return None
    return await context.read(context.queries.image, item["stream_id"])


def _view(request: Request, category: str) -> MediaView:
    """Return how the person wants media of a category to be shown."""
    return preferences_of(request).view_of(category)
