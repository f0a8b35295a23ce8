"""What a user may say about how a segment store treats a distant place."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

Durability = Literal["write_behind", "write_through"]
DURABILITIES: tuple[str, ...] = get_args(Durability)

LOCAL_TIER_BYTES = 2 << 30

# As a path, an URL has lost a slash. One letter before a colon is a Windows drive.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+._-]+):(/|:)")


@dataclass(frozen=True)
class StoreOptions:
    """How a segment store treats a place where every request takes time and costs money; checked when it is made.

    Attributes:
        durability: `write_behind`: a few vectors wait for others, for ten seconds at most; `write_through`: every
            write is a request of its own that is answered before it returns. Local paths are always written through.
        refresh_interval: Seconds for which a listing is believed when something is not found; None for what suits
            the place: 30 on a distant one, 0 on a near one, where looking is cheap.
        local_tier: A directory for what was read from a distant place, True for one in the user's cache directory,
            False for none.
        local_tier_bytes: Most bytes that the local tier takes.
    """

    durability: Durability = "write_behind"
    refresh_interval: float | None = None
    local_tier: bool | str | os.PathLike[str] = False
    local_tier_bytes: int = LOCAL_TIER_BYTES

    def __post_init__(self) -> None:
        if self.durability not in DURABILITIES:
            msg = f"durability must be one of {', '.join(map(repr, DURABILITIES))}; got {self.durability!r}"
            raise ValueError(msg)
        interval = self.refresh_interval
        if interval is not None and not (_is_number(interval) and 0 <= interval < math.inf):
            msg = f"refresh_interval must be a number of seconds of at least 0, or None; got {interval!r}"
            raise ValueError(msg)
        if not isinstance(self.local_tier, bool | str | os.PathLike) or self.local_tier == "":
            msg = f"local_tier must be True, False or the path of a directory; got {self.local_tier!r}"
            raise ValueError(msg)
        if url := _URL.match(str(self.local_tier)):
            # No more of it: there may be a password in it.
            msg = (
                f"local_tier must be a directory of this machine, got a URL of {url[1]}; "
                "give the path of a local directory, or True for one in the user's cache directory"
            )
            raise ValueError(msg)
        size = self.local_tier_bytes
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            msg = f"local_tier_bytes must be a whole number of at least 1; got {size!r}"
            raise ValueError(msg)

    @property
    def tier_directory(self) -> Path | None:
        """Where the local tier is, None if there is none."""
        if self.local_tier is False:
            return None
        if self.local_tier is True:
            from platformdirs import user_cache_path

            return user_cache_path("embedonce-tier")
        return Path(os.path.abspath(Path(self.local_tier).expanduser()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
