"""Are the files of a clip still those that were looked into? Free of torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidgan_datasets.folder_record import Record
from vidgan_datasets.folder_walk import stats_of


def refuse_changed(
    base: Path, record: Record, wanted: NDArray[np.int64], *, follow: bool = False
) -> None:
    """Raise ValueError if a file that holds one of the wanted frames has changed.

    OSError if it is gone. Of a folder of pictures only those of the clip are looked at, of an
    archive that itself.
    """
    if record.archive:
        folder, names, expected = base, [record.archive], record.stats
    elif record.kind == "frames":
        used = record.used
        numbers = [used[number] for number in np.unique(wanted)]
        names = [record.pictures[number] for number in numbers]
        folder, expected = base / record.folder, tuple(record.stats[n] for n in numbers)
    else:
        path = base / record.name
        folder, names, expected = path.parent, [path.name], record.stats
    if stats_of(folder, names, follow=follow) != expected:
        raise ValueError("it has changed since it was checked")
