"""``--map``, ``--root`` and ``--evidence``: disks that were copied from another host."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from diskchain.actions.examined import Settings


def add_places_arguments(parser: "argparse.ArgumentParser", *, evidence: bool = True) -> None:
    """Where another host's paths lie here; with ``evidence``, that what is looked at must stay as it is."""
    parser.add_argument(
        "--map",
        metavar="OLD=NEW",
        action="append",
        default=[],
        help="what headers and documents store as OLD/… lies at NEW/… here (repeatable)",
    )
    parser.add_argument(
        "--root",
        metavar="DIR",
        help="DIR is the / of the host that the files are from: stored paths are looked up there, and nothing outside is opened",
    )
    if evidence:
        parser.add_argument(
            "--evidence",
            action="store_true",
            help="print no command that writes, and leave the times of last access where that is allowed",
        )


def with_places(args: "argparse.Namespace", settings: "Settings") -> "Settings":
    """``settings`` as the arguments of :func:`add_places_arguments` want them. Raises UsageError."""
    evidence = getattr(args, "evidence", False)
    if not (args.map or args.root or evidence):
        return settings
    import os

    from diskchain.errors import UsageError, printable
    from diskchain.readers.local import keep_access_times
    from diskchain.readers.places import Places, parsed_maps
    from diskchain.system.deadline import within

    if evidence:
        keep_access_times()
    if not (args.map or args.root):
        return settings._replace(evidence=True)
    if getattr(args, "connect", None) is not None:
        raise UsageError("--map and --root are for copies: they do not go with the domains of a connection")
    if args.root is not None and not within(settings.timeout, args.root, lambda: os.path.isdir(args.root)):
        raise UsageError(f"--root {printable(args.root)} is no directory")
    return settings._replace(places=Places(parsed_maps(args.map), args.root), evidence=evidence)


def places_line(settings: "Settings") -> str | None:
    """What is to be said at the end of how things were looked at; None: nothing."""
    if settings.places is None and not settings.evidence:
        return None
    said = []
    if settings.places is not None and settings.places.root is not None:
        said.append(f"nothing outside {settings.places.root} was opened but what was named")
    if settings.evidence:
        said.append("nothing was written")
    why = "as evidence" if settings.evidence else "as the files are copies from another host"
    return f"{'; '.join([*said, f'{why}, no command is suggested'])}"
