"""Which key belongs to which layer: what the user said, then what libvirt keeps.

Knows names and places of keys; libvirt is a callable handed in, so that this works without any.
"""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from diskchain.errors import SecretMissing, UsageError, printable
from diskchain.secrets.places import PLACES, check_place, read_place, variable_of
from diskchain.secrets.value import SecretValue
from diskchain.storage.auth import SecretReference

#: The place begins at the first ``=`` that can begin one: a path may hold others.
_RULE: Final = re.compile(r"(.+?)=((?:file|env|fd|keyring):.+|ask)", re.DOTALL)

#: Gives the value of a libvirt secret, or None when libvirt has no such secret.
LibvirtLookUp = Callable[[SecretReference], SecretValue | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """The key of ``which`` (a layer's name or path, or a secret's UUID or usage) is kept in ``place``."""

    which: str
    place: str


@dataclass(frozen=True, slots=True)
class Found:
    """A key and where it was: ``file:…``, ``env:…``, ``libvirt``."""

    value: SecretValue
    place: str


def parse_rule(text: str) -> Rule:
    """``WHICH=PLACE`` as a value. Raises UsageError; its message does not quote the text, which may hold a key by mistake."""
    match = _RULE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"a secret is given as WHICH=PLACE, PLACE being {PLACES}; for example vda[1]=file:/etc/keys/base"
        )
    which, place = match.groups()
    check_place(place)
    return Rule(which, place)


class Keys:
    """All the keys a command may use. ``rules``: the first that fits counts. ``libvirt`` is asked last."""

    def __init__(self, rules: Iterable[Rule] = (), libvirt: LibvirtLookUp | None = None) -> None:
        self._rules = tuple(rules)
        self._libvirt = libvirt
        self._fitting: set[str] = set()
        self._wanting: dict[str, None] = {}
        self._passed_over: set[str] = set()
        self._read: dict[Rule | str, SecretValue] = {}

    def want(self, names: Iterable[str], reference: SecretReference | None) -> None:
        """Say that a layer with these ``names``, the first of them for people, wants a key."""
        called = [*names]
        self._wanting.setdefault(called[0])
        self._fitting |= _wanted(called, reference)

    def pass_over(self, disk: str, names: Iterable[str]) -> None:
        """Let rules for layers of ``disk`` be, and for those with these ``names``: they are there, and not what is opened now."""
        self._passed_over.add(disk)
        self._fitting.update(names)

    def misfit(self) -> str | None:
        """What is wrong with the first rule that fits nothing; None when all of them fit. Everything has to be wanted before."""
        which = next((rule.which for rule in self._rules if not self._fits(rule.which)), None)
        if which is None:
            return None
        wanting = ", ".join(map(printable, self._wanting))
        known = f"a key is wanted by {wanting}" if wanting else "no layer wants a key"
        return f"--secret {printable(which)} fits no layer and no secret: {known}"

    def _fits(self, which: str) -> bool:
        return which in self._fitting or which.partition("[")[0] in self._passed_over

    def check_fit(self) -> None:
        """Raise UsageError when a rule fits nothing."""
        problem = self.misfit()
        if problem is not None:
            raise UsageError(problem)

    def place(self, names: Iterable[str], reference: SecretReference | None) -> str | None:
        """Where the user says the key is, of a layer with these ``names``; None when they said nothing."""
        rule = self._rule(names, reference)
        return None if rule is None else rule.place

    def _rule(self, names: Iterable[str], reference: SecretReference | None) -> Rule | None:
        wanted = _wanted(names, reference)
        return next((rule for rule in self._rules if rule.which in wanted), None)

    def find(self, names: tuple[str, ...], reference: SecretReference | None) -> Found | None:
        """The key of a layer with these ``names``, the first of them for people; None when it is nowhere.

        Raises what :func:`~diskchain.secrets.places.read_place` and the libvirt callable raise.
        """
        rule = self._rule(names, reference)
        if rule is not None:
            value = self._value(rule, f"passphrase of {printable(names[0])}")
            return None if value is None else Found(value, rule.place)
        if self._libvirt is not None and reference is not None:
            value = self._libvirt(reference)
            return None if value is None else Found(value, "libvirt")
        return None

    def leave_environment(self) -> None:
        """Read what is in environment variables, and take those away: no process that is started from now on inherits a key."""
        for rule in self._rules:
            name = variable_of(rule.place)
            if name is not None:
                self._kept(rule, "")  # kept by its place: two rules may name one variable
                os.environ.pop(name, None)

    def _value(self, rule: Rule, purpose: str) -> SecretValue | None:
        """A copy of the key."""
        value = self._kept(rule, purpose)
        if value is None:
            return None
        with value.reveal() as kept:
            return SecretValue(bytes(kept))

    def _kept(self, rule: Rule, purpose: str) -> SecretValue | None:
        """The key. Its place is read once: a pipe is empty then, and a person is not asked twice, but for each of two rules."""
        place = rule if rule.place == "ask" else rule.place
        if place not in self._read:
            value = read_place(rule.place, purpose)
            if value is None:
                return None
            self._read[place] = value
        return self._read[place]

    def wipe(self) -> None:
        """Overwrite the keys that were read. Harmless when repeated."""
        for value in self._read.values():
            value.wipe()
        self._read.clear()

    def get(self, names: tuple[str, ...], reference: SecretReference | None) -> SecretValue:
        """Like :meth:`find`. Raises SecretMissing, which says where was looked, when there is none."""
        found = self.find(names, reference)
        if found is not None:
            return found.value
        place = self.place(names, reference)
        if place is not None:
            raise SecretMissing(f"there is no key in {place}", layer=names[0])
        if reference is None:
            raise SecretMissing("encrypted, and no secret is named for it; use --secret", layer=names[0])
        looked = "libvirt has no such secret" if self._libvirt else "no libvirt was asked, and --secret names no key"
        raise SecretMissing(f"its key is the secret {describe(reference)}: {looked}", layer=names[0])


def _wanted(names: Iterable[str], reference: SecretReference | None) -> set[str]:
    """All that a rule may call the key of a layer."""
    wanted = set(names)
    if reference is not None:
        wanted |= {text for text in (reference.uuid, reference.usage) if text}
    return wanted


def describe(reference: SecretReference) -> str:
    """A libvirt secret's name for people: by its UUID, or by its usage."""
    return reference.uuid or f"with usage {printable(reference.usage or '')}"
