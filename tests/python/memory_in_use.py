"""What this process has in memory, as the C library and the system count it."""

import ctypes
import gc
from pathlib import Path

import pytest


class MallInfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def bytes_in_use() -> int:
    """What malloc has given out and not got back; Python's small objects are not among it."""
    function = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if function is None:
        pytest.skip("this C library does not tell its bytes in use")
    function.restype = MallInfo
    gc.collect()
    info = function()
    return info.uordblks + info.hblkhd


def resident(folder: Path) -> int:
    """Kilobytes of a folder's files in this process's memory."""
    total, of_folder = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            of_folder = str(folder) in line
        elif of_folder and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total
