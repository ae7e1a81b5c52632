"""``show`` of a directory: its images as a forest, for people or as JSON."""

import argparse
import os
import sys

from diskchain.actions.check import domains_of
from diskchain.actions.examined import Settings
from diskchain.actions.forest import Forest, forest
from diskchain.actions.target import TargetName
from diskchain.cli.options.places import places_line
from diskchain.cli.options.target import target_name
from diskchain.cli.progress import Progress
from diskchain.errors import UsageError
from diskchain.findings import Finding
from diskchain.report.findings import exit_code
from diskchain.report.forest import forest_lines
from diskchain.report.selection import Selection
from diskchain.report.style import style_of


def show_forest(args: argparse.Namespace, settings: Settings, selection: Selection) -> int:
    """Look through the directory that the arguments name, print what is there, and say how bad it is."""
    return _show(args, args.target, [target_name(args)], settings, selection)


def show_domains(args: argparse.Namespace, settings: Settings, selection: Selection) -> int:
    """The images of all domains of the connection that the arguments name."""
    if args.format or args.disk:
        raise UsageError("-d and -f are about one domain or image: name it")
    names = [target_name(args, name) for name in domains_of(args.connect)]
    return _show(args, args.connect, names, settings._replace(rights=False), selection)


def _show(
    args: argparse.Namespace, title: str, names: list[TargetName], settings: Settings, selection: Selection
) -> int:
    with Progress() as progress:
        found = forest(names, settings, tell=progress.tell)
    if args.json:
        print(_json(title, found, selection))
    else:
        for line in forest_lines(title, found, selection, style_of(sys.stdout, environ=dict(os.environ))):
            print(line)
        if (closing := places_line(settings)) is not None:
            print(closing)
    return exit_code(filter(selection.shows, found.findings))


def _json(directory: str, found: Forest, selection: Selection) -> str:
    from diskchain.schema import ForestDocument, finding_document, image_document, to_json
    from diskchain.schema.check import WalkedDocument, target_document
    from diskchain.schema.forest import UserDocument

    images = tuple(
        image_document(
            image.layer,
            number=image.number,
            backing=image.backing,
            overlays=image.overlays,
            users=tuple(UserDocument(document, disk) for document, disk in image.users),
            found=image.is_target,
            findings=tuple(map(finding_document, filter(selection.shows, image.findings))),
        )
        for image in found.images
    )
    others: dict[str, list[Finding]] = {}
    for name, said in found.said:
        if selection.shows(said):
            others.setdefault(name, []).append(said)
    walked = None
    if found.walked is not None:
        below = found.walked
        walked = WalkedDocument(below.images, below.documents, below.unread, dict(below.passed_over))
    targets = tuple(target_document(name, said) for name, said in others.items())
    return to_json(ForestDocument(target=directory, walked=walked, images=images, others=targets))
