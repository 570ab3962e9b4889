"""Remind: post that nobody opens while a department is there is brought to mind, and then goes to who stands in for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Protocol

from gateway import log
from gateway.model.danish_time import WEEKDAYS, local
from gateway.ports import Clock, Inbound, NewForward, Unopened
from gateway.rules.calendar import open_time
from gateway.rules.rule import Department
from gateway.services.distribute import present, to_department

USUAL_HOURS = "08:00-16:00"
"""Of a department that names none."""
LOOKED_BACK = timedelta(days=30)
"""What lies unopened for longer is no news to anybody."""


class Departments(Protocol):
    """Those that exist now."""

    @property
    def departments(self) -> Mapping[str, Department]: ...


class Remind:
    """Looked at now and then.

    Args:
        remind, escalate: time of the department's own hours on bank days after which it is reminded, and after which
            its substitute gets the post and those who distribute are told; zero: never.
        distributors: mail addresses of those who distribute.
        closed_days: days that are no bank days here, besides the usual ones.
    """

    def __init__(
        self,
        inbound: Inbound,
        rules: Departments,
        clock: Clock,
        *,
        remind: timedelta,
        escalate: timedelta,
        distributors: Sequence[str],
        closed_days: Collection[date] = (),
    ) -> None:
        self._inbound = inbound
        self._rules = rules
        self._clock = clock
        self._remind = remind
        self._escalate = escalate
        self._distributors = distributors
        self._closed_days = closed_days

    def look(self) -> int:
        """Remind and pass on what is due; how many messages that were."""
        found = self._inbound.unopened_inbound(self._clock.now() - LOOKED_BACK)
        return sum(self._look_at(item) for item in found)

    def _look_at(self, item: Unopened) -> bool:
        department = self._rules.departments.get(item.department)
        if department is None:
            return False
        waited = open_time(
            item.since,
            self._clock.now(),
            hours=department.hours or USUAL_HOURS,
            weekdays=[WEEKDAYS.index(name) for name in department.weekdays],
            closed=self._closed_days,
        )
        if self._escalate and waited >= self._escalate:
            return self._pass_on(item, department)
        if self._remind and waited >= self._remind and not item.reminded:
            text = f"Posten med nummer {item.id} er ikke åbnet endnu. Åbn den med linket i mailen, I har fået, eller markér den som behandlet."
            return self._inbound.remind_inbound(item, _notes(department.addresses, "Påmindelse", text))
        return False

    def _pass_on(self, item: Unopened, department: Department) -> bool:
        departments = self._rules.departments
        name = department.substitute or ""
        substitute = present(departments, name, local(self._clock.now()).date()) if name in departments else ""
        rule = f"Ikke åbnet af {department.name}"
        mails = to_department(substitute, departments[substitute], rule=rule) if substitute else []
        goes = f"Den er sendt til {departments[substitute].name}" if substitute else "Fordel den igen, eller ring til afdelingen"
        text = f"Posten med nummer {item.id} er ikke åbnet af {department.name}. {goes}."
        told = _notes(self._distributors, "Post, ingen har åbnet", text)
        passed = self._inbound.escalate_inbound(item, [*mails, *told], department=substitute or item.department)
        if passed:
            log.unopened(message=item.id, passed_on=bool(substitute))
        return passed


def _notes(addresses: Sequence[str], rule: str, text: str) -> list[NewForward]:
    return [NewForward(kind="note", address=address, rule=rule, settings=(("text", text),)) for address in addresses]
