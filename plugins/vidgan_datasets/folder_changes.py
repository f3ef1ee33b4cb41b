"""Are the files of a clip still those that were looked into? Free of torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidgan_datasets.folder_index import Record
from vidgan_datasets.folder_walk import stats_of


def refuse_changed(
    base: Path, record: Record, wanted: NDArray[np.int64], *, follow: bool = False
) -> None:
    """Raise ValueError if a file that holds one of the wanted frames has changed.

    OSError if it is gone. Of a folder of pictures only those of the clip are looked at.
    """
    if record.kind == "frames":
        known = dict(zip(record.pictures, record.stats, strict=True))
        used = record.used
        names = [used[number] for number in np.unique(wanted)]
        folder, expected = base / record.folder, tuple(known[name] for name in names)
    else:
        path = base / record.name
        folder, names, expected = path.parent, [path.name], record.stats
    if stats_of(folder, names, follow=follow) != expected:
        raise ValueError("it has changed since it was checked")
