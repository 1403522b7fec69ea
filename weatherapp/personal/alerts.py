"""Hold devices' rules against a run, and tell them what was found: once each, and not while they sleep."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from weatherapp.core.errors import CoreError, NothingNear
from weatherapp.core.personal import rules
from weatherapp.core.personal.comfort import ComfortState
from weatherapp.core.personal.hours import PersonalHours
from weatherapp.core.personal.localtime import zone_info
from weatherapp.forecasts.store import StoredRun
from weatherapp.personal import deliveries, selectors, weather
from weatherapp.personal.models import DAYS, Device, FeedEntry, Place, Rule
from weatherapp.personal.variables import inside

logger = logging.getLogger(__name__)
FELT = "feels_like"
WHOLE_DAY = "00:00"


def evaluate_rules(*, now: datetime | None = None) -> int:
    """Hold every device's rules against the current run, once per run; gives how many entries came.

    A device in its quiet hours is left for later: when they end, the run of then is looked at, so that it
    wakes to what is true then and not to what was true in the night. Harmless to call at any time.

    Raises:
        NoCurrentRun: there is no run.
    """
    moment = now or timezone.now()
    run, stored = weather.current()
    made = 0
    for device in selectors.devices_with_rules(str(run.folder)).iterator(chunk_size=500):
        if is_quiet(device, moment):
            continue
        try:
            made += _evaluate(device, str(run.folder), stored, moment)
        except CoreError as error:
            # Its sentence may name a place; one device's trouble is not another's.
            logger.warning("A device's rules could not be held against run %s: %s", run, type(error).__name__)
    return made


def is_quiet(device: Device, now: datetime) -> bool:
    """Whether it is the device's quiet time."""
    if not device.quiet_start:
        return False
    clock = now.astimezone(zone_info(device.time_zone)).strftime("%H:%M")
    if device.quiet_start < device.quiet_end:
        return device.quiet_start <= clock < device.quiet_end
    return clock >= device.quiet_start or clock < device.quiet_end


def core_rule(rule: Rule, zone: str) -> rules.Rule:
    """A stored rule as the pure logic reads it, in inside units."""
    days, start, end = rule.days, rule.start, rule.end
    if rule.commute:
        days, start, end = rule.commute.days, rule.commute.start, rule.commute.end
    return rules.Rule(
        variable=rule.variable,
        comparison=rule.comparison,
        threshold=inside(rule.variable, rule.threshold, rule.unit),
        probability=rule.probability,
        window=rules.Window(
            days=tuple(DAYS.index(day) for day in days or DAYS),
            start=start or WHOLE_DAY,
            end=end or WHOLE_DAY,
            zone=zone,
        ),
    )


def _evaluate(device: Device, run: str, stored: StoredRun, now: datetime) -> int:
    enabled = list(
        device.rules.filter(enabled=True).select_related(
            "place", "commute", "commute__origin", "commute__destination"
        )
    )
    found = _findings(device, enabled, stored, now)
    with transaction.atomic():
        held = Device.objects.select_for_update().filter(pk=device.pk).first()
        if held is None or held.evaluated_run == run:
            return 0
        known = set(FeedEntry.objects.filter(device=held).values_list("dedup_key", flat=True))
        # A rule or place may have been removed while the hours were worked out.
        rules_left = set(held.rules.filter(enabled=True).values_list("pk", flat=True))
        new = [one for one in found if one.dedup_key not in known and one.rule_id in rules_left]
        for entry in new:
            held.feed_sequence += 1
            entry.device, entry.sequence, entry.run, entry.created = held, held.feed_sequence, run, now
        FeedEntry.objects.bulk_create(new)
        held.evaluated_run = run
        held.save(update_fields=["feed_sequence", "evaluated_run"])
        deliveries.send(held, new, now=now)
    return len(new)


def _findings(device: Device, enabled: Iterable[Rule], stored: StoredRun, now: datetime) -> list[FeedEntry]:
    states = selectors.states_by_place(device)
    # The thermal index costs more than all the rest: it is worked out only where a rule is about it.
    person = weather.comfort_of(device) if any(rule.variable == FELT for rule in enabled) else None
    hours: dict[Any, PersonalHours | None] = {}
    found = []
    for rule in enabled:
        wanted = core_rule(rule, device.time_zone)
        best: tuple[rules.Finding, Place] | None = None
        for place in _places(rule):
            if place.pk not in hours:
                hours[place.pk] = _hours(stored, place, states.get(place.pk, ()), person, now)
            known = hours[place.pk]
            finding = rules.evaluate(wanted, known, int(now.timestamp())) if known is not None else None
            # Of a commute's two ends the one that is met first, then the likelier, speaks.
            if finding and (best is None or _rank(finding) < _rank(best[0])):
                best = finding, place
        if best:
            found.append(_entry(rule, *best))
    return found


def _hours(
    stored: StoredRun, place: Place, states: Any, person: ComfortState | None, now: datetime
) -> PersonalHours | None:
    try:
        if person is None:
            return weather.personal_hours(stored, place, states=states, now=now)
        return weather.place_weather(stored, place, states=states, person=person, now=now).personal
    except NothingNear:
        return None


def _places(rule: Rule) -> list[Place]:
    if rule.commute:
        return list({place.pk: place for place in (rule.commute.origin, rule.commute.destination)}.values())
    return [rule.place] if rule.place else []


def _rank(finding: rules.Finding) -> tuple[int, float]:
    return finding.time, -finding.highest


def _entry(rule: Rule, finding: rules.Finding, place: Place) -> FeedEntry:
    return FeedEntry(
        rule=rule,
        place=place,
        dedup_key=f"{rule.pk}:{finding.key}",
        time=datetime.fromtimestamp(finding.time, tz=UTC),
        probability=round(finding.chance, 3),
        finding={
            "variable": rule.variable,
            "comparison": rule.comparison,
            "threshold": rule.threshold,
            "unit": rule.unit,
            "occasion": finding.occasion.isoformat(),
            "highest": round(finding.highest, 3),
            "at_most": round(finding.at_most, 3),
        },
    )
