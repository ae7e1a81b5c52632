"""Rules for one disk, for QEMU: the I/O threads that serve it.

Source: libvirt 11.3.0 ``qemu/qemu_validate.c`` (``qemuValidateCheckVirtioIOThreads``, ``qemuDomainValidateIothreadMapping``).
"""

from collections import Counter
from collections.abc import Iterator

from diskchain.guest.disk import Disk
from diskchain.guest.terms import DiskBus
from diskchain.libvirtxml.validate.domain_context import Surroundings
from diskchain.libvirtxml.validate.rule import DiskCheck, Problem, Rules

RULES: Rules[DiskCheck] = Rules()

_MOST_LISTED = 16


@RULES.rule("iothread-bus")
def _bus(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if (disk.driver.iothread is not None or disk.driver.iothreads) and disk.bus is not DiskBus.VIRTIO:
        yield Problem(f"I/O threads serve virtio, not {disk.bus}", "driver", ("virtio",))


@RULES.rule("iothread-unknown")
def _unknown(disk: Disk, around: Surroundings) -> Iterator[Problem]:
    if not around.known:
        return
    known = tuple(map(str, sorted(around.iothreads)))
    allowed = known if len(known) <= _MOST_LISTED else ()
    if disk.driver.iothread is not None and disk.driver.iothread not in around.iothreads:
        yield Problem(f"the domain has no I/O thread {disk.driver.iothread}", "driver", allowed)
    for number, thread in enumerate(disk.driver.iothreads, start=1):
        if thread.id not in around.iothreads:
            place = f"driver/iothreads/iothread[{number}]"
            yield Problem(f"the domain has no I/O thread {thread.id}", place, allowed)


@RULES.rule("iothread-mapping")
def _mapping(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    threads = disk.driver.iothreads
    for id, times in Counter(thread.id for thread in threads).items():
        if times > 1:
            yield Problem(f"the I/O thread {id} is listed {times} times", "driver/iothreads")
    listed = Counter(queue for thread in threads for queue in thread.queues)
    if not listed:
        return
    if not all(thread.queues for thread in threads):
        yield Problem("either all I/O threads list their queues, or none does", "driver/iothreads")
    for queue, times in listed.items():
        if times > 1:
            yield Problem(f"two I/O threads have the queue {queue}", "driver/iothreads")
    yield from _range(disk.driver.queues, listed)


def _range(queues: int | None, listed: Counter[int]) -> Iterator[Problem]:
    if queues is None:
        yield Problem("queues can be listed only when the driver says how many queues there are", "driver")
        return
    beyond = sorted(queue for queue in listed if queue >= queues)
    if beyond:
        yield Problem(f"there is no queue {beyond[0]}: the last is {queues - 1}", "driver/iothreads")
    missing = queues - (len(listed) - len(beyond))
    if missing > 0:
        yield Problem(f"no I/O thread has {missing} of the {queues} queues", "driver/iothreads")
