"""Warm-up of the console at the start of a process: every template and every query of the queue and
of an item is compiled once, so that the first page takes as long as later ones."""

from __future__ import annotations

from scanner.console.rendering import prepare_templates
from scanner.console.reviewing import taxonomy_labels
from scanner.console.secrets import prepare_hashing
from scanner.intake.context import WebContext
from scanner.store.exposure import Exposure
from scanner.store.review_queries import QueueFilter, Sight
from scanner.store.review_versions import item_version, queue_version
from scanner.store.stream_window import read_window

__all__ = ["prepare_pages"]

NOBODY = "nobody"
"""Name of no item, user or stream."""


def prepare_pages(context: WebContext) -> None:
    """Compile the templates, and run the queries of the queue and of an item once."""
    prepare_templates()
    prepare_hashing()
    taxonomy_labels()
    queries, journal = context.review_queries, context.journal
    queries.queue(QueueFilter(), Sight(), limit=1)
    queries.counts(Sight())
    queries.next_item(QueueFilter(), Sight(), NOBODY)
    queries.latest_of(NOBODY)
    queries.item(NOBODY)
    queries.earlier({"stream_id": NOBODY, "channel": None, "item_id": NOBODY}, Sight())
    queue_version(journal, Sight())
    item_version(journal, NOBODY)
    context.incidents.incident(NOBODY)
    read_window(journal, NOBODY, 0.0, 1.0)
    context.users.list_all()
    context.users.preferences(NOBODY)
    context.sessions.find(NOBODY)
    Exposure(journal).today(NOBODY)
