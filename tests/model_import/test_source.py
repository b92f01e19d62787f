"""Reading the file of a model, and the files that are refused."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from scanner.errors import InputError, LimitError, RefusedError, SetupError
from scanner.model_import import source
from scanner.model_import.source import packaged_file, read_source
from tests.sources.loopback import Answer, Server

DATA = b"\x08\x08 a model"
SUM = hashlib.sha256(DATA).hexdigest()


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(DATA)

    assert read_source(str(path), sha256=None) == DATA
    assert read_source(str(path), sha256=SUM) == DATA


def test_a_file_with_another_checksum_is_refused_with_both(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(DATA)

    with pytest.raises(SetupError, match=f"its sha256 is {SUM}, wanted {'0' * 64}"):
        read_source(str(path), sha256="0" * 64)


def test_an_invalid_checksum_is_reported_before_anything_is_read() -> None:
    with pytest.raises(SetupError, match="sha256 must be 64 digits"):
        read_source("nowhere.onnx", sha256="abc")


def test_a_file_from_an_address_is_read_if_it_is_the_pinned_one(server: Server) -> None:
    server.pages["/net.onnx"] = Answer(DATA)

    assert read_source(f"{server.origin}/net.onnx", sha256=SUM) == DATA
    with pytest.raises(SetupError, match="it is another file or was changed"):
        read_source(f"{server.origin}/net.onnx", sha256="0" * 64)


def test_an_address_without_a_checksum_is_not_requested(server: Server) -> None:
    with pytest.raises(SetupError, match="an address requires: give its --sha256"):
        read_source(f"{server.origin}/net.onnx?token=secret", sha256=None)

    assert server.requests == []


@pytest.mark.parametrize(
    "name",
    [
        "net.pt",
        "net.PTH",
        "net.pkl",
        "net.h5",
        "pytorch_model.bin",
        "https://127.0.0.1:1/net.ckpt?x=1",
    ],
)
def test_formats_that_run_code_are_refused_by_their_names(name: str) -> None:
    with pytest.raises(SetupError, match="is of a format that runs code when it is loaded"):
        read_source(name, sha256=SUM)


@pytest.mark.parametrize(
    "data", [pickle.dumps({"weights": [1]}), b"PK\x03\x04 archive of torch", b"\x89HDF\r\n"]
)
def test_a_pickle_under_another_name_is_refused_by_its_bytes(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)

    with pytest.raises(SetupError, match="a format that runs code"):
        read_source(str(path), sha256=None)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, server: Server) -> None:
    with pytest.raises(
        SetupError, match=r"cannot read .*gone\.onnx: cannot be opened: No such file"
    ):
        read_source(str(tmp_path / "gone.onnx"), sha256=None)
    with pytest.raises(InputError, match="the server answers 404"):
        read_source(f"{server.origin}/gone.onnx", sha256=SUM)


def wheel(path: Path, name: str, data: bytes) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return path


def test_the_file_in_a_wheel_is_read_and_compared_with_the_checksum(tmp_path: Path) -> None:
    path = str(wheel(tmp_path / "some-1.0-py3-none-any.whl", "some/net.onnx", DATA))

    assert read_source(path, sha256=SUM, inside="some/net.onnx") == DATA
    with pytest.raises(SetupError, match="it is another file or was changed"):
        read_source(path, sha256="0" * 64, inside="some/net.onnx")
    with pytest.raises(SetupError, match=r"is not a wheel that contains other\.onnx"):
        read_source(path, sha256=SUM, inside="other.onnx")
    with pytest.raises(SetupError, match="a format that runs code"):
        read_source(path, sha256=None)


def test_a_file_named_as_a_wheel_that_is_not_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.whl").write_bytes(b"PK\x03\x04 broken")

    with pytest.raises(SetupError, match=r"is not a wheel that contains net\.onnx"):
        read_source(str(tmp_path / "some.whl"), sha256=None, inside="net.onnx")


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_BYTES", 1000)
    path = wheel(tmp_path / "some.whl", "net.onnx", bytes(1_000_000))

    with pytest.raises(SetupError, match="limit is 1000 bytes"):
        read_source(str(path), sha256=None, inside="net.onnx")


def test_redirects_are_followed_to_the_pinned_file_and_never_off_https(server: Server) -> None:
    server.pages["/net.onnx"] = Answer(DATA)
    server.pages["/moved"] = Answer(b"", status=302, headers={"Location": "/net.onnx"})
    server.pages["/round"] = Answer(b"", status=302, headers={"Location": "/round"})
    server.pages["/away"] = Answer(
        b"", status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"}
    )

    assert read_source(f"{server.origin}/moved", sha256=SUM) == DATA
    with pytest.raises(RefusedError, match="over 5 redirects"):
        read_source(f"{server.origin}/round", sha256=SUM)
    with pytest.raises(RefusedError, match="another origin and not https"):
        read_source(f"{server.origin}/away", sha256=SUM)


def test_a_file_from_an_address_has_a_largest_size(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_BYTES", 4)
    server.pages["/net.onnx"] = Answer(DATA)

    with pytest.raises(LimitError, match="over 4 bytes"):
        read_source(f"{server.origin}/net.onnx", sha256=SUM)


def test_only_https_and_this_machine_are_read() -> None:
    with pytest.raises(RefusedError, match="only https is read"):
        read_source("http://models.example/net.onnx", sha256=SUM)


def test_the_file_of_a_package_is_found_where_it_is_installed() -> None:
    path = packaged_file("onnx", "onnx/onnx.proto")

    assert path is not None
    assert path.is_file()
    assert packaged_file("onnx", "onnx/no-such-file") is None
    assert packaged_file("no-such-distribution", "x.onnx") is None
