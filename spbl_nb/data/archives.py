"""Archives of pictures (zip, tar) unpacked safely, whole or not at all, and once.

An archive from elsewhere may try to write outside its folder, to follow a link, to make a device or to fill the disk.
Nothing of that is repaired or passed over: the first such member refuses the whole archive, by name. Members are
written as plain files; modes, owners and times of the archive are not taken over. What a Mac adds
(``__MACOSX``, ``.DS_Store``, ``._name``) is left out.

Taught in: notebooks/01_data, section 4.
"""

import contextlib
import functools
import lzma
import os
import re
import shutil
import stat
import tarfile
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from filelock import FileLock

from spbl_nb import checks
from spbl_nb.data import source_hashes

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MOST_MEMBERS = 2_000_000

_BLOCK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
_OF_A_MAC = re.compile(r"(^|/)(__MACOSX(/|$)|\.DS_Store$|\._[^/]*$)")
_ON_WINDOWS = re.compile(
    r'[<>:"|?*\x00-\x1f]|[. ](/|$)|(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.[^/]*)?(/|$)', re.IGNORECASE
)


class _Member(NamedTuple):
    name: str
    size: int
    folder: bool
    problem: str | None
    open: Callable[[], IO[bytes] | None]


def is_archive(path: object) -> bool:
    """Say whether a path names an archive, by its suffix, and a file is there."""
    return isinstance(path, (str, os.PathLike)) and str(path).lower().endswith(SUFFIXES) and os.path.isfile(path)


def extract(path: str | os.PathLike, folder: str | os.PathLike, *, most_bytes: int | None = None) -> Path:
    """Unpack an archive into a new folder, in one step, and return the folder.

    ``most_bytes`` bounds what it may unpack to (default: 1 GiB, or 20 times the archive where that is more: pictures
    hardly shrink, a bomb does). All names are checked before the first byte is written; sizes are counted while writing,
    whatever the archive says of them.

    Raises ValueError, naming the member, for an absolute name, one with ``..``, a link, a device, a name that is there
    twice or that Windows cannot write, for too much content, an encrypted, truncated or damaged archive, or a file that is
    none; FileExistsError when ``folder`` is there already; OSError when it cannot be written. The folder is then not there.
    """
    path, folder = Path(path), Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; give a folder that does not exist yet")
    size = path.stat().st_size
    limit = max(1 << 30, 20 * size) if most_bytes is None else checks.integer("most_bytes", most_bytes, 0)
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with _reading(path, limit) as (members, rest):
            _check(path, members, limit)
            partial.mkdir(parents=True)
            _write(path, members, partial, limit)
            rest()
        os.rename(partial, folder)
    except _DAMAGED as error:
        raise ValueError(f"{path} is truncated or damaged ({error}); copy it again from its source") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def unpacked(path: str | os.PathLike, beside: str | os.PathLike, *, inner: bool = False) -> Path:
    """Return the folder with an archive's content, unpacked once below the folder ``beside``.

    The folder is named after the archive and a hash of its content, so that a changed archive is unpacked anew; a lock lets
    one process unpack and others wait. With ``inner`` a single folder at the top of the archive is gone into.
    """
    path, beside = Path(path), Path(beside)
    digest = source_hashes.digests([str(path.absolute())], beside / "hashes")[0].tobytes().hex()
    folder = beside / f"{_stem(path)}-{digest[:16]}"
    if not folder.exists():
        beside.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not folder.exists():
                extract(path, folder)
    content = list(folder.iterdir())
    return content[0] if inner and len(content) == 1 and content[0].is_dir() else folder


def _stem(path: Path) -> str:
    suffix = next((one for one in sorted(SUFFIXES, key=len, reverse=True) if path.name.lower().endswith(one)), "")
    return re.sub(r"[^\w.-]", "_", path.name[: len(path.name) - len(suffix)])[:60] or "archive"


@contextlib.contextmanager
def _reading(path: Path, limit: int) -> Iterator[tuple[list[_Member], Callable[[], None]]]:
    """Open an archive; yield its members, a Mac's additions left out, and what checks its end once they are read."""

    def rest() -> None:
        """Leave a zip alone: its directory at the end was read first."""

    with contextlib.ExitStack() as stack:
        if zipfile.is_zipfile(path):
            zipped = stack.enter_context(zipfile.ZipFile(path))
            members = [_zip_member(zipped, info) for info in zipped.infolist()]
        else:
            try:
                archive = stack.enter_context(tarfile.open(path))
                rest, members, declared = functools.partial(_check_end, archive, limit), [], 0
                for info in archive:
                    members.append(_tar_member(archive, info))
                    declared += info.size
                    if len(members) > MOST_MEMBERS or declared > limit:
                        break  # which is refused below; a bomb is not read to its end
            except tarfile.ReadError as error:
                empty = path.stat().st_size == 0
                raise ValueError(
                    f"{path} is {'empty' if empty else 'no zip or tar archive, or is truncated'} ({error}); allowed: "
                    f"{', '.join(SUFFIXES)}"
                ) from None
            except OSError as error:
                raise ValueError(f"{path} is truncated or damaged ({error}); copy it again from its source") from None
        yield [member for member in members if not _OF_A_MAC.search(member.name)], rest


def _check_end(archive: tarfile.TarFile, limit: int) -> None:
    """Raise EOFError where a tar does not end as it should, for tarfile takes a damaged header for the end.

    Reading on to the end of the file, at most ``limit`` bytes, also proves the checksum of its compression.
    """
    stream = cast(IO[bytes], archive.fileobj)
    stream.seek(archive.offset)
    try:
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError(f"no end mark after {len(archive.getmembers())} members")
        while limit > 0 and (block := stream.read(_BLOCK)):
            limit -= len(block)
    except OSError as error:
        raise EOFError(str(error)) from None


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    problem = None
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        problem = "is a link or a device"
    elif info.flag_bits & 1:
        problem = "is encrypted"
    return _Member(info.orig_filename, info.file_size, info.is_dir(), problem, lambda: archive.open(info))


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    problem = None if info.isfile() or info.isdir() else "is a link or a device"
    if problem is None and hasattr(tarfile, "data_filter"):
        try:
            tarfile.data_filter(info, os.path.abspath("x"))
        except tarfile.FilterError as error:
            problem = f"is refused ({error})"
    return _Member(info.name, info.size, info.isdir(), problem, lambda: archive.extractfile(info))


def _check(path: Path, members: list[_Member], limit: int) -> None:
    """Refuse an archive before anything of it is written."""
    if not any(not member.folder for member in members):
        raise ValueError(f"{path} holds no file")
    if len(members) > MOST_MEMBERS:
        raise ValueError(f"{path} holds more than {MOST_MEMBERS} members; unpack it by hand if that is meant")
    seen: set[str] = set()
    for member in members:
        name = member.name.replace("\\", "/")
        problem = member.problem or _problem_of(name)
        plain = _plain(name)
        if problem is None and plain in seen and not member.folder:
            problem = "is there twice"
        if problem:
            raise ValueError(f"{path}: the member {member.name!r} {problem}; nothing was unpacked")
        seen.add(plain)
    declared = sum(member.size for member in members)
    if declared > limit:
        raise ValueError(_too_much(path, declared, limit))


def _problem_of(name: str) -> str | None:
    if name.startswith(("/", "~")) or re.match(r"[A-Za-z]:", name):
        return "has an absolute name"
    if ".." in name.split("/"):
        return "leaves the folder by '..'"
    if "\0" in name or (os.name == "nt" and _ON_WINDOWS.search(name)):
        return "has a name that cannot be written here"
    return None


def _plain(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _too_much(path: Path, found: int, limit: int) -> str:
    return (
        f"{path} unpacks to {found / 1e9:.2f} GB or more; allowed: {limit / 1e9:.2f} GB for an archive of its size, for it may "
        "be a bomb. Unpack it by hand if that is meant; nothing was unpacked"
    )


def _write(path: Path, members: list[_Member], target: Path, limit: int) -> None:
    left = limit
    for member in members:
        place = target / _plain(member.name.replace("\\", "/"))
        try:
            if member.folder:
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise ValueError(f"{path}: {member.name!r} is both a file and a folder; nothing was unpacked") from None
        try:
            opened = member.open()
        except OSError as error:  # a directory that points out of the file
            raise EOFError(str(error)) from None
        try:
            with cast(IO[bytes], opened) as source, open(place, "xb") as copy:
                left = _copy(path, source, copy, left, limit)
        except (IsADirectoryError, FileExistsError):
            raise ValueError(f"{path}: {member.name!r} is there twice; nothing was unpacked") from None


def _copy(path: Path, source: IO[bytes], target: IO[bytes], left: int, limit: int) -> int:
    """Copy a member; return how many bytes may still be written."""
    while True:
        try:
            block = source.read(_BLOCK)
        except OSError as error:  # gzip and bz2 say so of damage
            raise EOFError(str(error)) from None
        if not block:
            return left
        left -= len(block)
        if left < 0:
            raise ValueError(_too_much(path, limit - left, limit))
        target.write(block)
