"""The files of local models, distinguished without reading all of them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from embedonce.identification.settings.plain import UnclearSettingError

if TYPE_CHECKING:
    from collections.abc import Iterable


def local_files(path: str) -> dict[str, str]:
    """Return a parameter that changes with the files at a local path; nothing if there are none.

    Names, sizes, times and samples of the files are digested: reading gigabytes of weights would take seconds.
    A copy on another machine therefore counts as another model, unless the caller passes a namespace.
    """
    top = Path(path)
    if not path or not top.exists():
        return {}
    digest = hashlib.sha256()
    try:
        found = sorted(_model_files(top)) if top.is_dir() else [(top.name, top)]
        for name, file in found:
            status = file.stat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogatepass"))
            with file.open("rb") as stream:
                for position in sorted({status.st_size * part // 8 for part in range(8)}):
                    stream.seek(position)
                    digest.update(stream.read(65536))
    except OSError:
        msg = "the files of its local model cannot be read"
        raise UnclearSettingError(msg) from None
    return {"files": digest.hexdigest()[:32]}


def _model_files(top: Path) -> Iterable[tuple[str, Path]]:
    count = 0
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith(".") or name.lower().endswith(".md"):
                continue
            count += 1
            if count > 2000:
                msg = "its local model is a folder of more than 2000 files"
                raise UnclearSettingError(msg)
            file = Path(folder, name)
            yield file.relative_to(top).as_posix(), file
