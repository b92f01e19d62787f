"""Sends the effects of one receiver: in the order of each incident's revisions and then of its
decisions, several incidents at once, and a single one while the receiver fails.

    working  -- every attempt of a batch failed -->  failing: one attempt after each pause
    failing  -- an attempt succeeded -->             working
    any      -- 410 -->                              disabled until its settings change; decisions
                                                     are given up, and their items return to people
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import structlog

from scanner.delivery.json_lines import JsonLinesFolder
from scanner.delivery.payload import (
    decision_body,
    decision_message_id,
    rfc3339,
    webhook_body,
    webhook_id,
)
from scanner.delivery.receiver import Answer, MessageReceiver
from scanner.delivery.schedule import WEBHOOK_DELAYS, next_try, pause_after, spread
from scanner.delivery.webhook import WebhookClient
from scanner.settings.service import JsonLinesSettings, WebhookSettings
from scanner.store.decision_effects import DecisionEffects, DueDecision
from scanner.store.effects import DueEffect, DueMessage, EffectJournal, SettledEffect, SinkState
from scanner.store.quotas import ActionQuota, QuotaLimits

__all__ = ["SinkSender", "settings_digest", "settle_attempt", "sink_after"]

log = structlog.get_logger(__name__)

SinkSettings = WebhookSettings | JsonLinesSettings
AT_ONCE: Final = 8
"""Attempts that one receiver gets at once."""


def settings_digest(settings: SinkSettings) -> str:
    """Return a digest of a receiver's settings, which changes whenever they do."""
    if isinstance(settings, JsonLinesSettings):
        return hashlib.sha256(f"json_lines\0{settings.folder}".encode()).hexdigest()
    facts = f"{settings.url}\0{settings.secret}\0{settings.addresses}"
    return hashlib.sha256(facts.encode()).hexdigest()


Due = TypeVar("Due", bound=DueMessage)


def settle_attempt(effect: Due, answer: Answer, *, now: float, draw: float) -> SettledEffect[Due]:
    """Decide what becomes of an effect after an attempt; ``draw`` in [0, 1) is for the jitter."""
    if answer.result == "delivered":
        when = {"at": rfc3339(now), "seconds": round(answer.seconds, 3)}
        receipt = {**answer.receipt, **when}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outbox(Generic[Due]):
    """One kind of message: what is due, how it is worded, and where the result goes."""

    due: Callable[..., Sequence[Due]]
    admit: Callable[[Sequence[Due]], Sequence[Due]]
    """Returns what the quota of the receiver lets pass; holds the others."""
    message: Callable[[Due], tuple[str, str]]
    """Returns id and body."""
    settle: Callable[[Sequence[SettledEffect[Due]], SinkState | None], None]
    facts: Callable[[Due], Mapping[str, Any]]
    """Returns what the log says of it."""
    give_up: Callable[[str], bool]
    """Gives up what a receiver that wants no more would get; False if that is nothing."""


class SinkSender:
    """Sends what is due for one receiver; belongs to one thread."""

    def __init__(
        self,
        name: str,
        settings: SinkSettings,
        journal: EffectJournal,
        decisions: DecisionEffects | None = None,
        *,
        now: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        public_url: str = "",
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._monotonic = monotonic
        self._pause = 0.0, 0.0
        """End of the latest pause, by the wall clock as it was then and by the monotonic one."""
        self._journal = journal
        self._now = now
        self._draw = draw
        quota = ActionQuota(journal.journal, name, _quota_limits(settings))
        self._outboxes: list[_Outbox[Any]] = [_incidents(journal, quota, public_url)]
        if decisions is not None:
            self._outboxes.append(_decisions(decisions, quota, public_url))
        self._loop = asyncio.Runner()
        self._receiver = _open_receiver(settings)

    def send_due(self) -> bool:
        """Make one batch of attempts of each kind of message, and record what became of them;
        return False if nothing is to be done now."""
        results = [self._send(outbox) for outbox in self._outboxes]
        return any(results)

    def _send(self, outbox: _Outbox[Due]) -> bool:
        state = self._journal.sink_state(self._name)
        now = self._now()
        if state.disabled_at is not None:
            return outbox.give_up(self._name)
        if self._is_left_alone(state, now):
            return False
        effects = outbox.due(self._name, limit=1 if state.failures else AT_ONCE)
        if not effects:
            return False
        effects = outbox.admit(effects)
        if not effects:
            return True
        messages = [outbox.message(one) for one in effects]
        answers = self._loop.run(self._receiver.post_all(messages, now=self._now))
        now = self._now()
        settled = [
            settle_attempt(effect, answer, now=now, draw=self._draw())
            for effect, answer in zip(effects, answers, strict=True)
        ]
        after = sink_after(state, answers, now=now, draw=self._draw())
        self._note_pause(after, now)
        outbox.settle(settled, None if after == replace(state, next_at=now) else after)
        for one, answer in zip(settled, answers, strict=True):
            _log_answer(self._name, one, answer, outbox.facts(one.effect))
        return True

    def _is_left_alone(self, state: SinkState, now: float) -> bool:
        """Return whether the receiver's pause lasts; it never does so for longer because the wall
        clock was set back."""
        if state.next_at != self._pause[0]:
            self._note_pause(state, now)
        return now < state.next_at and self._monotonic() < self._pause[1]

    def _note_pause(self, state: SinkState, now: float) -> None:
        self._pause = state.next_at, self._monotonic() + max(0.0, state.next_at - now)

    def close(self) -> None:
        """Close the connections to all receivers."""
        self._loop.run(self._receiver.close())
        self._loop.close()


def _open_receiver(settings: SinkSettings) -> MessageReceiver:
    if isinstance(settings, JsonLinesSettings):
        return JsonLinesFolder(settings)
    return WebhookClient(settings)


def _quota_limits(settings: SinkSettings) -> QuotaLimits:
    if isinstance(settings, JsonLinesSettings):
        return QuotaLimits()
    return QuotaLimits(
        all_channels=settings.actions_per_hour, each_channel=settings.channel_actions_per_hour
    )


def _incidents(journal: EffectJournal, quota: ActionQuota, public_url: str) -> _Outbox[DueEffect]:
    return _Outbox(
        due=journal.due,
        admit=quota.admit_incidents,
        message=lambda one: (webhook_id(one), webhook_body(one, public_url=public_url)),
        settle=journal.settle,
        facts=lambda one: {"incident": one.incident_id, "revision": one.revision},
        give_up=lambda sink: False,  # sent once the settings have changed
    )


def _decisions(
    journal: DecisionEffects, quota: ActionQuota, public_url: str
) -> _Outbox[DueDecision]:
    return _Outbox(
        due=journal.due,
        admit=quota.admit_decisions,
        message=lambda one: (decision_message_id(one), decision_body(one, public_url=public_url)),
        settle=journal.settle,
        facts=lambda one: {"incident": one.item["item_id"], "decision": one.number},
        give_up=journal.give_up,
    )


def _log_answer(
    sink: str, settled: SettledEffect[Any], answer: Answer, facts: Mapping[str, Any]
) -> None:
    write = log.info if settled.status == "delivered" else log.warning
    write(
        "webhook " + ("delivered" if settled.status == "delivered" else "failed"),
        sink=sink,
        **facts,
        http_status=answer.status,
        attempts=settled.effect.attempts + 1,
        dead=settled.status == "dead",
    )
