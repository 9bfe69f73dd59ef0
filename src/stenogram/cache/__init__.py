"""Content-addressed results: a finished chunk is never decoded twice, nor an identical recording.

``open_cache`` gives the store, ``workspace`` a private folder for the samples of one run. The layout on disk is::

    <folder>/v1/<kind>/<first two digits>/<key>     one compressed, checked entry per result
    <folder>/v1/.tmp/                               entries being written
    <folder>/v1/.total                              size of all entries when they were last counted
    <folder>/work/                                  private folders of running runs
"""

from stenogram.cache.local import CacheInfo, KindInfo, LocalCache
from stenogram.cache.scoped import ScopedCache
from stenogram.cache.shared import SharedCache, open_cache
from stenogram.cache.workspace import sweep, workspace

__all__ = ["CacheInfo", "KindInfo", "LocalCache", "ScopedCache", "SharedCache", "open_cache", "sweep", "workspace"]
