"""Reads a domain's AppArmor profile and says what it allows on a path.

Understands file rules, ``deny`` and includes; a rule with a variable in it is passed over and makes a "no" a "cannot
tell". Reads a bounded number of bounded files. Source: apparmor.d(5).
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diskchain.access.requirements import Access
from diskchain.access.security.apparmor_glob import pattern_matches
from diskchain.access.security.apparmor_rules import PROFILE_DIRECTORY, FileRule

_MAX_BYTES: Final = 1 << 20
_MAX_FILES: Final = 64
_ENABLED: Final = Path("/sys/module/apparmor/parameters/enabled")

_RULE: Final = re.compile(
    r"^\s*(?:(?:audit|owner|file)\s+)*(?P<deny>deny\s+)?(?:(?:audit|owner|file)\s+)*"
    r'(?:"(?P<quoted>[^"]*)"|(?P<plain>[/@]\S*))\s+(?P<permissions>[rwaklmixpPcCuU]+)\s*,'
)
_INCLUDE: Final = re.compile(r'^\s*#?include\s+(?:if\s+exists\s+)?(?:<(?P<system>[^>]+)>|"(?P<local>[^"]+)")')


@dataclass(frozen=True, slots=True)
class Profile:
    """The file rules of a profile. ``incomplete``: something in it could not be read or understood."""

    rules: tuple[FileRule, ...]
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class ProfileAnswer:
    """Whether a profile allows an access: True, False, or None for "cannot tell"; and the rule that decided."""

    allowed: bool | None
    rule: FileRule | None = None


def apparmor_enabled(parameter: Path = _ENABLED) -> bool:
    """Whether this host's kernel enforces AppArmor profiles."""
    try:
        return parameter.read_text().strip() == "Y"
    except OSError:
        return False


def read_profile(uuid: str, directory: str = PROFILE_DIRECTORY) -> Profile | None:
    """The profile of the domain with ``uuid``, with what it includes. None when there is no such profile."""
    main = Path(directory) / f"libvirt-{uuid}"
    rules: list[FileRule] = []
    queue, seen, incomplete = [main, main.with_name(main.name + ".files")], set[Path](), False
    if not any(path.exists() for path in queue):
        return None
    while queue:
        path = queue.pop(0)
        if path in seen:
            continue
        seen.add(path)
        text = _bounded_text(path)
        if text is None or len(seen) > _MAX_FILES:
            incomplete = incomplete or path != main
            continue
        found, includes = parse_rules(text, str(path))
        rules += found
        for include in includes:
            queue += _included(include, path, Path(directory).parent)
    return Profile(tuple(rules), incomplete)


def parse_rules(text: str, origin: str) -> tuple[list[FileRule], list[str]]:
    """The file rules in one file of a profile, and what it includes (``<path>`` or a bare path)."""
    rules, includes = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        include = _INCLUDE.match(line)
        if include:
            includes.append(f"<{include['system']}>" if include["system"] else include["local"])
            continue
        rule = _RULE.match(line)
        if rule and not line.lstrip().startswith("#"):
            pattern = rule["quoted"] if rule["quoted"] is not None else rule["plain"]
            rules.append(FileRule(pattern, rule["permissions"], bool(rule["deny"]), f"{origin}:{number}"))
    return rules, includes


def ask_profile(profile: Profile, path: str, access: Access) -> ProfileAnswer:
    """What the profile says about ``access`` to ``path``, a path without symlinks. A ``deny`` rule beats all others."""
    wanted = set("rw" if access is Access.WRITE else "r")
    granted: set[str] = set()
    last: FileRule | None = None
    undecided = profile.incomplete
    for rule in profile.rules:
        matches = pattern_matches(rule.pattern, path)
        undecided = undecided or matches is None
        if not matches:
            continue
        letters = set(rule.permissions)
        if rule.deny and wanted & letters:
            return ProfileAnswer(allowed=False, rule=rule)
        if not rule.deny:
            granted |= letters
            last = rule
    if wanted <= granted:
        return ProfileAnswer(allowed=True, rule=last)
    return ProfileAnswer(allowed=None if undecided else False, rule=last)


def _included(include: str, origin: Path, root: Path) -> list[Path]:
    """The files behind an include: one, or those of a directory. ``<…>`` is relative to AppArmor's directory."""
    path = root / include[1:-1] if include.startswith("<") else origin.parent / include
    if not path.is_dir():
        return [path] if path.exists() else []
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_file())
    except OSError:
        return [path]


def _bounded_text(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(_MAX_BYTES + 1)
    return data.decode(errors="surrogateescape") if len(data) <= _MAX_BYTES else None
