"""Sends the effects of one receiver: in the order of each incident's revisions, several incidents
at once, and a single one while the receiver fails.

    working  -- every attempt of a batch failed -->  failing: one attempt after each pause
    failing  -- an attempt succeeded -->             working
    any      -- 410 -->                              disabled until its settings change
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from scanner.delivery.payload import rfc3339, webhook_body, webhook_id
from scanner.delivery.schedule import WEBHOOK_DELAYS, next_try, pause_after, spread
from scanner.delivery.webhook import Answer, WebhookClient
from scanner.settings.service import WebhookSettings
from scanner.store.effects import DueEffect, EffectJournal, SettledEffect, SinkState

__all__ = ["SinkSender", "settings_digest", "settle_attempt", "sink_after"]

log = structlog.get_logger(__name__)

AT_ONCE: Final = 8
"""Attempts that one receiver gets at once."""


def settings_digest(settings: WebhookSettings) -> str:
    """Return a digest of a receiver's settings, which changes whenever they do."""
    facts = f"{settings.url}\0{settings.secret}\0{settings.addresses}"
    return hashlib.sha256(facts.encode()).hexdigest()


def settle_attempt(effect: DueEffect, answer: Answer, *, now: float, draw: float) -> SettledEffect:
    """Decide what becomes of an effect after an attempt; ``draw`` in [0, 1) is for the jitter."""
    if answer.result == "delivered":
        receipt = {"status": answer.status, "at": rfc3339(now), "seconds": round(answer.seconds, 3)}
        return SettledEffect(effect=effect, status="delivered", next_at=now, receipt=receipt)
    if answer.result == "gone":
        return SettledEffect(effect=effect, status="pending", next_at=now, error=answer.error)
    delay = next_try(effect.attempts + 1, WEBHOOK_DELAYS)
    if delay is None:
        return SettledEffect(effect=effect, status="dead", next_at=now, error=answer.error)
    wait = max(spread(delay, draw), answer.retry_after or 0.0)
    return SettledEffect(effect=effect, status="pending", next_at=now + wait, error=answer.error)


def sink_after(
    state: SinkState, answers: Sequence[Answer], *, now: float, draw: float
) -> SinkState:
    """Return how a receiver does after a batch of attempts."""
    failures = [answer for answer in answers if answer.result != "delivered"]
    gone = any(answer.result == "gone" for answer in answers)
    if gone:
        return replace(state, disabled_at=now, error=failures[-1].error)
    if len(failures) < len(answers):
        return replace(state, failing_since=None, failures=0, next_at=now, error=None)
    count = state.failures + 1
    wait = max(
        spread(pause_after(count), draw), *(answer.retry_after or 0.0 for answer in failures)
    )
    since = now if state.failing_since is None else state.failing_since
    return replace(
        state,
        failing_since=since,
        failures=count,
        next_at=now + wait,
        error=failures[-1].error,
    )


class SinkSender:
    """Sends what is due for one receiver; belongs to one thread."""

    def __init__(
        self,
        name: str,
        settings: WebhookSettings,
        journal: EffectJournal,
        *,
        now: Callable[[], float],
        public_url: str = "",
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._journal = journal
        self._now = now
        self._draw = draw
        self._public_url = public_url
        self._loop = asyncio.Runner()
        self._receiver = WebhookClient(name, settings)

    def send_due(self) -> bool:
        """Make one batch of attempts and record what became of them; return False if nothing is to
        be done now."""
        state = self._journal.sink_state(self._name)
        now = self._now()
        if state.disabled_at is not None or now < state.next_at:
            return False
        effects = self._journal.due(self._name, limit=1 if state.failures else AT_ONCE)
        if not effects:
            return False
        answers = self._loop.run(self._post_all(effects))
        now = self._now()
        settled = [
            settle_attempt(effect, answer, now=now, draw=self._draw())
            for effect, answer in zip(effects, answers, strict=True)
        ]
        after = sink_after(state, answers, now=now, draw=self._draw())
        self._journal.settle(settled, None if after == replace(state, next_at=now) else after)
        _log_answers(self._name, settled, answers)
        return True

    async def _post_all(self, effects: Sequence[DueEffect]) -> list[Answer]:
        return list(await asyncio.gather(*map(self._post, effects)))

    async def _post(self, effect: DueEffect) -> Answer:
        body = webhook_body(effect, public_url=self._public_url)
        return await self._receiver.post(webhook_id(effect), body, now=self._now())

    def close(self) -> None:
        """Close the connections to all receivers."""
        self._loop.run(self._receiver.close())
        self._loop.close()


def _log_answers(sink: str, settled: Sequence[SettledEffect], answers: Sequence[Answer]) -> None:
    for one, answer in zip(settled, answers, strict=True):
        write = log.info if one.status == "delivered" else log.warning
        write(
            "webhook " + ("delivered" if one.status == "delivered" else "failed"),
            sink=sink,
            incident=one.effect.incident_id,
            revision=one.effect.revision,
            http_status=answer.status,
            attempts=one.effect.attempts + 1,
            dead=one.status == "dead",
        )
