"""Archives of images (zip, tar), unpacked once into a folder of the cache, whole or not at all."""

import lzma
import os
import re
import shutil
import tarfile
import uuid
import zipfile
import zlib
from pathlib import Path

from filelock import FileLock

from spbl_nb import files

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, shutil.ReadError, NotImplementedError)
LIMIT = 64 << 30  # bytes that an archive may unpack to


def is_archive(path: object) -> bool:
    """Say whether a path names an archive, by its suffix, and a file is there."""
    return isinstance(path, (str, os.PathLike)) and str(path).lower().endswith(SUFFIXES) and os.path.isfile(path)


def unpacked(path: str | os.PathLike, beside: Path, *, inner: bool = False) -> Path:
    """Return the folder with an archive's content, unpacked once below the folder ``beside``.

    The folder is named after the archive's path, size and time of change; a lock lets one process unpack and others wait.
    With ``inner`` a single folder at the top of the archive is entered. Raises ValueError for a damaged archive, one that
    unpacks to more than :data:`LIMIT`, and for a member that would leave the folder; then nothing is unpacked.
    """
    path = Path(path).expanduser().absolute()
    status = path.stat()
    key = files.sha256_of(os.fsencode(path), f"{status.st_size} {status.st_mtime_ns}")[:16]
    folder = beside / (re.sub(r"[^\w.-]", "_", path.name)[:60] + "-" + key)
    beside.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            _unpack(path, folder)
    content = [one for one in folder.iterdir() if not one.name.startswith((".", "__MACOSX"))]
    return content[0] if inner and len(content) == 1 and content[0].is_dir() else folder


def _unpack(path: Path, folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    zipped = zipfile.is_zipfile(path)
    try:
        with zipfile.ZipFile(path) if zipped else tarfile.open(path) as archive:
            if isinstance(archive, zipfile.ZipFile):
                sizes = [(member.filename, member.file_size) for member in archive.infolist()]
            else:
                sizes = [(member.name, member.size) for member in archive]
        outside = [name for name, _ in sizes if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name)]
        if outside:
            raise ValueError(f"the member {outside[0]!r} would leave its folder")
        total = sum(size for _, size in sizes)
        if total > LIMIT:
            raise ValueError(f"it unpacks to {total / 1e9:.1f} GB; allowed: {LIMIT / 1e9:.0f} GB")
        if zipped:
            shutil.unpack_archive(path, partial, "zip")
        else:
            shutil.unpack_archive(path, partial, "tar", filter="data")  # refuses links that lead outside, and devices
        os.rename(partial, folder)
    except (ValueError, EOFError, RuntimeError, OSError, zlib.error, lzma.LZMAError, *_DAMAGED) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the archive
        why = str(error).partition("\n")[0].rstrip(":")
        raise ValueError(f"{path} cannot be unpacked: {why}; copy it again, or unpack it yourself") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
