"""A map as a table of pyarrow, without copying its columns. The only module that imports pyarrow, and only on request."""

from typing import IO, TYPE_CHECKING

import numpy as np

from diskchain.allocation.answers import COMPRESSED, DAMAGED, DATA, PRESENT, UNKNOWN, ZERO
from diskchain.allocation.extents import Extents
from diskchain.errors import MissingExtra

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_table(extents: Extents, names: list[str]) -> "pa.Table":
    """The columns of ``qemu-img map --output=json``, and the file's name. Raises MissingExtra."""
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", "a map as a table of Arrow") from None
    kind = extents.kind
    depth = extents.depth.astype(np.int32)
    columns = {
        "start": extents.start,
        "length": extents.length,
        "depth": depth,
        "present": (kind & np.uint32(PRESENT)) != 0,
        "zero": (kind & np.uint32(ZERO)) != 0,
        "data": (kind & np.uint32(DATA | DAMAGED)) != 0,
        "compressed": (kind & np.uint32(COMPRESSED)) != 0,
        "offset": pa.array(extents.host, mask=extents.host < 0),
        "filename": pa.DictionaryArray.from_arrays(depth, names),
        "damaged": (kind & np.uint32(DAMAGED)) != 0,
        "unknown": (kind & np.uint32(UNKNOWN)) != 0,
    }
    return pa.table(columns)


def write_parquet(table: "pa.Table", out: IO[bytes]) -> None:
    """``table`` as Parquet."""
    import pyarrow.parquet as pq

    pq.write_table(table, out)
