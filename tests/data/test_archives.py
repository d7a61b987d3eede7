"""Archives: unpacked whole and once; whatever would leave the folder or fill the disk refuses the archive."""

import io
import shutil
import tarfile
import zipfile

import pytest

from spbl_nb.data import archives

FILES = {"set/a/1.png": b"one", "set/b/2.png": b"two" * 1000, "set/b/c/3.png": b""}


def _zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


def _tar(path, members, **fields):
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def _content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_contents_come_out_as_they_went_in_and_once(tmp_path, monkeypatch, form):
    for name, content in FILES.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    path = shutil.make_archive(str(tmp_path / "x"), form, tmp_path / "in")
    assert archives.is_archive(path)
    out = archives.unpacked(path, tmp_path / "out")
    assert _content(out) == FILES
    monkeypatch.setattr(shutil, "unpack_archive", None)
    assert archives.unpacked(path, tmp_path / "out") == out
    assert archives.unpacked(path, tmp_path / "out", inner=True) == out / "set"


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/tmp/x.png", "..\\x.png"])
@pytest.mark.parametrize("make", [_zip, _tar])
def test_no_name_leads_out_of_the_folder(tmp_path, name, make):
    path = make(tmp_path / "x.archive", {"good.png": b"1", name: b"evil"})
    with pytest.raises(ValueError, match=r"x\.archive cannot be unpacked: the member .* would leave its folder"):
        archives.unpacked(path, tmp_path / "deep" / "out")
    assert {one.name for one in tmp_path.rglob("*.*") if one.suffix != ".lock"} == {"x.archive"}


@pytest.mark.parametrize(
    ("kind", "target"), [(tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "../../x"), (tarfile.CHRTYPE, "")]
)
def test_links_that_lead_outside_and_devices_are_refused(tmp_path, kind, target):
    path = _tar(tmp_path / "x.tar", {"a/link": b""}, type=kind, linkname=target)
    with pytest.raises(ValueError, match="cannot be unpacked"):
        archives.unpacked(path, tmp_path / "out")
    assert not [one for one in (tmp_path / "out").iterdir() if one.is_dir()]


@pytest.mark.parametrize("make", [_zip, _tar])
def test_what_is_too_large_or_damaged_is_refused(tmp_path, monkeypatch, make):
    path = make(tmp_path / "x.zip", FILES)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 4])
    with pytest.raises(ValueError, match=r"cannot be unpacked: .*; copy it again"):
        archives.unpacked(path, tmp_path / "out")
    path.write_bytes(whole)
    monkeypatch.setattr(archives, "LIMIT", 1000)
    with pytest.raises(ValueError, match=r"it unpacks to 0\.0 GB; allowed"):
        archives.unpacked(path, tmp_path / "out")
    monkeypatch.undo()
    assert _content(archives.unpacked(path, tmp_path / "out")) == FILES
