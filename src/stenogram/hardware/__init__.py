"""What this machine has, and how much of it this process may use.

Nothing is asked at import. Values are as of the call: ask again for what changes (``free_memory``).
"""

from stenogram.hardware.cuda import Cuda, try_cuda
from stenogram.hardware.gpu import Gpu, Gpus, read_gpus
from stenogram.hardware.memory import Memory, free_memory, peak_memory_bytes, read_memory, used_memory
from stenogram.hardware.processor import Cpu, available_cpus, read_cpu, thread_limits

__all__ = [
    "Cpu",
    "Cuda",
    "Gpu",
    "Gpus",
    "Memory",
    "available_cpus",
    "free_memory",
    "peak_memory_bytes",
    "read_cpu",
    "read_gpus",
    "read_memory",
    "thread_limits",
    "try_cuda",
    "used_memory",
]
