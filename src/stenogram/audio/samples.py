"""Sample files under way: raw little-endian float32, one file per channel, written once and in order."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from stenogram.errors import StorageError
from stenogram.types import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SAMPLE_BYTES = 4
_SPARE_BYTES = 64 * 2**20
"""Free space left for others on the disk."""


class SampleFiles:
    """The files of one decode. Raises ``StorageError`` where a file cannot be written."""

    def __init__(self, paths: list[Path], total_s: float | None) -> None:
        """Create the files; refuse at once when the expected ``total_s`` cannot fit on the disk."""
        self.count = 0
        """Samples in each file."""
        self.unreal_count = 0
        """Samples that were not numbers and were replaced by silence."""
        self._paths = paths
        if total_s is not None:
            check_space(paths[0].parent, int(total_s * SAMPLE_RATE) * SAMPLE_BYTES * len(paths))
        try:
            self._files = [path.open("xb", buffering=0) for path in paths]
        except OSError as error:
            raise StorageError(path=paths[0].parent, cause=error.strerror or error) from error

    def close(self) -> None:
        """Close the files; idempotent."""
        for file in self._files:
            file.close()

    def append(self, block: npt.NDArray[np.float32]) -> None:
        """Write a block ``[channels, n]``, made finite and within [-1, 1]; missing channels are silent."""
        import numpy as np

        if not (block.max(initial=0.0) <= 1.0 and block.min(initial=0.0) >= -1.0):
            unreal = ~np.isfinite(block)
            self.unreal_count += int(unreal.any(axis=0).sum())
            block = np.clip(np.where(unreal, np.float32(0), block), -1.0, 1.0)
        for index in range(len(self._files)):
            channel = block[index] if index < len(block) else np.zeros(block.shape[1], np.float32)
            self._write(index, np.ascontiguousarray(channel, "<f4").data.cast("B"))
        self.count += block.shape[1]

    def silence_until(self, count: int) -> None:
        """Lengthen the files with silence to ``count`` samples; a hole on the disk where possible."""
        if count <= self.count:
            return
        for path, file in zip(self._paths, self._files, strict=True):
            try:
                file.truncate(count * SAMPLE_BYTES)
                file.seek(0, os.SEEK_END)
            except OSError as error:
                raise StorageError(path=path, cause=error.strerror or error) from error
        self.count = count

    def _write(self, index: int, data: memoryview) -> None:
        try:
            while data:
                data = data[self._files[index].write(data) :]
        except OSError as error:
            raise StorageError(path=self._paths[index], cause=error.strerror or error) from error


def check_space(folder: Path, wanted_bytes: int) -> None:
    """Raise ``StorageError`` when ``folder`` has no room for so many bytes."""
    try:
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageError(path=folder, cause=error.strerror or error) from error
    if free_bytes < wanted_bytes + _SPARE_BYTES:
        cause = (
            f"decoding needs {wanted_bytes / 1e6:.0f} MB there and leaves {_SPARE_BYTES / 1e6:.0f} MB to others, "
            f"{free_bytes / 1e6:.0f} MB are free. Make room, or set STENOGRAM_HOME to another folder"
        )
        raise StorageError(path=folder, cause=cause)
