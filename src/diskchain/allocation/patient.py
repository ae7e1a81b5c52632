"""A container each of whose reads has a deadline: storage that hangs holds nobody, however much there is to read."""

from diskchain.allocation.container import Container
from diskchain.system.deadline import within


class PatientContainer(Container):
    """The same file as ``container``, which still has to be closed. Asking costs 20 µs more for each read."""

    __slots__ = ("_seconds",)

    def __init__(self, container: Container, seconds: float) -> None:
        self._image = container.image
        self.name, self.facts = container.name, container.facts
        self.base, self.size = container.base, container.size
        self._seconds = seconds

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; fewer at the end. Raises StorageError, StorageTimeout."""
        return within(self._seconds, self.name, lambda: Container.read(self, offset, length))

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` with what is at ``offset``. Raises StorageError, StorageTimeout."""
        within(self._seconds, self.name, lambda: Container.read_into(self, offset, buffer))
