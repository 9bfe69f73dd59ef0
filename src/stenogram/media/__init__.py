"""Recordings by URL: a folder of this machine, or any store that fsspec knows."""

from stenogram.media.store import MediaStore, Receiver, copy_of, safe_name

__all__ = ["MediaStore", "Receiver", "copy_of", "safe_name"]
