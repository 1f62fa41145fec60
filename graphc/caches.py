"""Where graphc keeps what only saves time: folders of the user's own that may vanish at any moment.

All lie below ``$GRAPHC_CACHE_DIR``, else below the platform's own folder (``~/.cache/graphc`` on Linux).
"""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(kind: str) -> Path | None:
    """The folder of one kind of entries, made if need be; none where there can be none that is the user's alone."""
    try:
        root = _root()
        folder = root / kind
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder if _is_ours(folder) else None
    except (OSError, RuntimeError, ValueError):  # no home folder, or a name that no file can have
        return None


def _root() -> Path:
    chosen = os.environ.get("GRAPHC_CACHE_DIR")
    if chosen:
        return Path(chosen)
    import platformdirs  # not needed where the folder is given

    return Path(platformdirs.user_cache_dir("graphc", appauthor=False))


def _is_ours(folder: Path) -> bool:
    """Whether nobody else can have put entries there; only Unix can tell."""
    if not hasattr(os, "getuid"):
        return True
    status = folder.stat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022
