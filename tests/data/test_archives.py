"""Archives: unpacked whole and once; whatever would leave the folder or fill the disk refuses the archive."""

import gzip
import io
import os
import re
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spbl_nb.data import archives

FILES = {"set/a/1.png": b"one", "set/b/2.png": b"two" * 1000, "set/b/c/3.png": b""}


def _zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name), content)
    return path


def _tar(path, members, mode="w", **fields):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def _content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz"])
def test_contents_come_out_as_they_went_in(tmp_path, name):
    mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(name.rsplit(".", 1)[1], "w")
    path = _zip(tmp_path / name, FILES) if name.endswith("zip") else _tar(tmp_path / name, FILES, mode)
    assert archives.is_archive(path)
    assert _content(archives.extract(path, tmp_path / "out")) == FILES
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", name]


def test_folders_backslashes_and_additions_of_a_mac(tmp_path):
    members = {"a/": b"", "a\\1.png": b"1", "./b/2.png": b"2", "__MACOSX/a/._1.png": b"x", "a/.DS_Store": b"x"}
    out = archives.extract(_zip(tmp_path / "x.zip", members), tmp_path / "out")
    assert _content(out) == {"a/1.png": b"1", "b/2.png": b"2"}


ESCAPES = ["../x.png", "a/../../x.png", "/tmp/x.png", "C:/x.png", "C:x.png", "..\\x.png", "\\\\host\\x.png", "~/x.png"]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("make", [_zip, _tar])
def test_no_name_leads_out_of_the_folder(tmp_path, name, make):
    path = make(tmp_path / "x.archive", {"good.png": b"1", name: b"evil"})
    with pytest.raises(ValueError, match=r"x\.archive: the member .* (absolute name|leaves the folder|refused)"):
        archives.extract(path, tmp_path / "deep" / "out")
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["x.archive"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    path = _tar(tmp_path / "x.tar", {"a/link": b""}, type=kind, linkname="1.png")
    with pytest.raises(ValueError, match="'a/link' is a link or a device"):
        archives.extract(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("a/link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with pytest.raises(ValueError, match="'a/link' is a link or a device"):
        archives.extract(_zip(tmp_path / "x.zip", [(link, "/etc/passwd")]), tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_clash_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'a/1\.png' is there twice"):
        archives.extract(_zip(tmp_path / "x.zip", [("a/1.png", b"1"), ("a/1.png", b"2")]), tmp_path / "out")
    with pytest.raises(ValueError, match="is both a file and a folder"):
        archives.extract(_zip(tmp_path / "y.zip", [("a", b"1"), ("a/1.png", b"2")]), tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.zip", "y.zip"]


def test_a_bomb_is_refused_by_what_it_says(tmp_path):
    path = _zip(tmp_path / "x.zip", {"zeros.png": bytes(5_000_000)})
    with pytest.raises(ValueError, match="may be a bomb"):
        archives.extract(path, tmp_path / "out", most_bytes=4_999_999)
    archives.extract(path, tmp_path / "out", most_bytes=5_000_000)


def test_a_bomb_is_refused_whatever_it_says(tmp_path, monkeypatch):
    """The sizes in the headers are lies: what is written is counted."""
    path = _tar(tmp_path / "x.tar", {"a.png": bytes(3000), "b.png": bytes(3000)})
    plain = archives._tar_member
    monkeypatch.setattr(archives, "_tar_member", lambda *given: plain(*given)._replace(size=1))
    with pytest.raises(ValueError, match="may be a bomb"):
        archives.extract(path, tmp_path / "out", most_bytes=5000)
    assert [one.name for one in tmp_path.iterdir()] == ["x.tar"]


def test_a_zip_that_understates_its_sizes(tmp_path):
    content = bytearray(_zip(tmp_path / "x.zip", {"zeros.png": bytes(100_000)}).read_bytes())
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        where = content.index(signature) + place
        content[where : where + 4] = struct.pack("<I", 10)
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        archives.extract(tmp_path / "x.zip", tmp_path / "out", most_bytes=1000)
    assert not (tmp_path / "out").exists()


def test_encrypted_empty_and_other_files(tmp_path):
    secret = bytearray(_zip(tmp_path / "x.zip", {"a.png": b"1"}).read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        secret[secret.index(signature) + place] |= 1
    (tmp_path / "x.zip").write_bytes(secret)
    with pytest.raises(ValueError, match="is encrypted"):
        archives.extract(tmp_path / "x.zip", tmp_path / "out")
    for name, content, message in (
        ("text.zip", b"<html>not found</html>", "no zip or tar archive"),
        ("empty.tar.gz", b"", "empty"),
        ("gz.tar.gz", gzip.compress(b"hello"), "no zip or tar archive"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            archives.extract(tmp_path / name, tmp_path / "out")
    with pytest.raises(ValueError, match="holds no file"):
        archives.extract(_zip(tmp_path / "none.zip", {"a/": b""}), tmp_path / "out")
    with pytest.raises(FileExistsError, match="is there already"):
        archives.extract(_zip(tmp_path / "good.zip", FILES), tmp_path)
    with pytest.raises(FileNotFoundError):
        archives.extract(tmp_path / "nowhere.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
def test_an_archive_cut_anywhere_is_refused(tmp_path, name):
    noise = {f"a/{index}.png": os.urandom(700) for index in range(4)}
    mode = {"gz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(name.rsplit(".", 1)[1], "w")
    whole = (_zip(tmp_path / name, noise) if name == "x.zip" else _tar(tmp_path / name, noise, mode)).read_bytes()
    members_end = 4 * (512 + 1024)  # what follows in a tar is padding
    for length in range(1, members_end if name == "x.tar" else len(whole), len(whole) // 37):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(ValueError, match=re.escape(name)):
            archives.extract(tmp_path / name, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_a_damaged_header_in_the_middle_of_a_tar_is_no_end(tmp_path):
    content = bytearray(_tar(tmp_path / "x.tar", FILES).read_bytes())
    content[1024 + 5] ^= 1  # in the header of the second member
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(ValueError, match="no end mark after 1 members"):
        archives.extract(tmp_path / "x.tar", tmp_path / "out")


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=4), zipped=st.booleans()
)
def test_mutated_archives_never_write_outside_nor_crash(tmp_path_factory, places, zipped):
    home = tmp_path_factory.mktemp("mutated")
    path = _zip(home / "x.zip", FILES) if zipped else _tar(home / "x.zip", FILES, "w:gz")
    content = bytearray(path.read_bytes())
    for share, change in places:
        content[int(share * len(content))] ^= change
    path.write_bytes(content)
    try:
        archives.extract(path, home / "out")
    except (ValueError, OSError) as error:
        assert str(error)  # noqa: PT017
    assert {one.name for one in home.iterdir()} <= {"x.zip", "out"}


def test_an_archive_is_unpacked_once(tmp_path, monkeypatch):
    path = _zip(tmp_path / "my set.zip", FILES)
    first = archives.unpacked(path, tmp_path / "cache")
    assert _content(first) == FILES
    assert archives.unpacked(path, tmp_path / "cache", inner=True) == first / "set"
    monkeypatch.setattr(archives, "extract", None)
    assert archives.unpacked(path, tmp_path / "cache") == first
    monkeypatch.undo()
    _zip(path, {"a/1.png": b"changed", "b/2.png": b"2"})
    second = archives.unpacked(path, tmp_path / "cache", inner=True)
    assert second != first
    assert _content(second) == {"a/1.png": b"changed", "b/2.png": b"2"}
