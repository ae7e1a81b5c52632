"""The integrity of one file of a chain: which checker is for its format, and what is said of a file that cannot be checked.

Opens files, and writes none. A file that is written to meanwhile is not judged: its tables are not all on disk.
"""

from collections.abc import Callable
from typing import Final

from diskchain.allocation.container import Container
from diskchain.allocation.open_layer import Opener, container_of, open_here
from diskchain.allocation.patient import PatientContainer
from diskchain.allocation.problems import Problems
from diskchain.discover import Layer
from diskchain.errors import DiskchainError
from diskchain.findings import Finding
from diskchain.storage.location import describe_location
from diskchain.storage.terms import Format
from diskchain.system.deadline import DEFAULT_DEADLINE, within

Checker = Callable[[Container, Problems], None]

#: What has no tables: all bytes are the guest's, or the header's.
_WITHOUT_TABLES: Final = frozenset({Format.RAW, Format.LUKS, Format.ISO, Format.DIR})


def deep_findings(layer: Layer, opener: Opener = open_here, seconds: float = DEFAULT_DEADLINE) -> list[Finding]:
    """What is wrong with the tables of ``layer``, without its data file. ``seconds``: for each answer of storage."""
    name = describe_location(layer.source.location)
    problems = Problems(name)
    if layer.header is None or layer.facts is None:
        return []  # why it cannot be read is said already
    if layer.header.format in _WITHOUT_TABLES:
        return []
    check = _checker(layer.header.format)
    if check is None:
        problems.note(f"the tables of {layer.header.format} images are not checked", id="map-unknown")
        return problems.findings()
    try:
        image = within(seconds, name, lambda: container_of(layer, opener))
    except DiskchainError as error:
        problems.note(f"its tables cannot be checked: {_why(error)}", id="map-unknown")
        return problems.findings()
    try:
        return _checked(image, check, problems, seconds)
    finally:
        image.close()


def _checked(image: Container, check: Checker, problems: Problems, seconds: float) -> list[Finding]:
    busy = Problems(problems.name)
    busy.note("is written to now, so its tables cannot be checked: they are not all on disk", id="map-unknown")
    if image.is_written:
        return busy.findings()
    try:
        check(PatientContainer(image, seconds), problems)
    except DiskchainError as error:
        problems.note(f"its tables cannot be checked to the end: {_why(error)}", id="map-unknown")
    return busy.findings() if image.has_changed or image.is_written else problems.findings()


def _checker(format: Format) -> Checker | None:
    if format is Format.QCOW2:
        from diskchain.allocation.integrity.qcow2_check import check_qcow2

        return check_qcow2
    return None


def _why(error: DiskchainError) -> str:
    return str(getattr(error, "problem", error))
