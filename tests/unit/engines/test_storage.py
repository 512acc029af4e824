"""Storage: nothing outside the root is ever touched, and files exist completely or not at all."""

import hashlib
import os
import resource
import threading
from pathlib import Path

import pytest

from workers.engines.errors import Cancelled, InvalidInput, OutOfResource
from workers.engines.media import guard
from workers.engines.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "root")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.bin"
    path.write_bytes(b"content" * 1000)
    return path


def names_in(path: Path) -> list[str]:
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*") if entry.is_file())


def test_what_is_put_is_found_by_its_url(storage: Storage, source: Path) -> None:
    stored = storage.put(source, "meetings/42/audio.wav")
    assert stored.url == f"file://{storage.root}/meetings/42/audio.wav"
    assert stored.bytes == 7000
    assert stored.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert storage.path_of(stored.url).read_bytes() == source.read_bytes()
    assert names_in(storage.root) == ["meetings/42/audio.wav"]


def test_urls_paths_and_keys_mean_the_same(storage: Storage) -> None:
    stored = storage.put_bytes(b"x", "a/b c%d?#é.txt")
    path = storage.root / "a" / "b c%d?#é.txt"
    assert "%" in stored.url
    for reference in (stored.url, str(path), "a/b c%d?#é.txt", stored.url.replace("file://", "file://localhost")):
        assert storage.path_of(reference) == path
    assert storage.url_of(path) == stored.url == storage.url_of("a/b c%d?#é.txt")


def test_names_that_are_not_unicode_survive_the_url(storage: Storage) -> None:
    name = os.fsdecode(b"\xff\xfe.wav")
    assert storage.path_of(storage.put_bytes(b"x", name).url).name == name


@pytest.mark.parametrize(
    "reference",
    [
        "../outside.txt",
        "a/../../outside.txt",
        "sub/../inside.txt",
        "/etc/passwd",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "file://{root}/../outside.txt",
        "file://{root}/%2e%2e/outside.txt",
        "file://{root}/a%00b",
        "file://{root}-evil/x",
        "file://{root}/x?y",
        "file://other.host{root}/inside.txt",
        "http://127.0.0.1/inside.txt",
        "https://example.org/x",
        "s3://bucket/key",
        "FTP://x/y",
        "file://[::1",
        "a\0b",
        "x" * 256,
        "a/" + "é" * 128,
        "link_out/outside.txt",
        "link_file",
        "link_loop",
        "",
        ".",
        "/",
        "file://",
        "file://{root}",
        "\ud800",
        "sub",
    ],
)
def test_references_outside_the_root_are_refused(storage: Storage, tmp_path: Path, reference: str) -> None:
    storage.put_bytes(b"inside", "inside.txt")
    (storage.root / "sub").mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    (storage.root / "link_out").symlink_to(tmp_path)
    (storage.root / "link_file").symlink_to(tmp_path / "outside.txt")
    (storage.root / "link_loop").symlink_to(storage.root / "link_loop")
    with pytest.raises(InvalidInput) as refused:
        storage.path_of(reference.format(root=storage.root))
    assert refused.value.code == "reference_invalid"
    assert "secret" not in refused.value.message


def test_a_link_within_the_root_is_followed(storage: Storage) -> None:
    storage.put_bytes(b"x", "real.txt")
    (storage.root / "link").symlink_to(storage.root / "real.txt")
    assert storage.path_of("link") == storage.root / "real.txt"


@pytest.mark.parametrize("reference", ["nothing.wav", "a/b/c", "file://{root}/nothing.wav"])
def test_what_is_not_there_is_not_found(storage: Storage, reference: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        storage.path_of(reference.format(root=storage.root))
    assert refused.value.code == "not_found"


def test_half_written_files_are_not_found(storage: Storage) -> None:
    (storage.root / ".partial-0123").write_bytes(b"half")
    with pytest.raises(InvalidInput) as refused:
        storage.path_of(".partial-0123")
    assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "/abs", "a/..", "../x", "a/../../x", "x" * 256, "a\0b", "k/" * 600 + "x", "\udfff", ".partial-x"],
)
def test_bad_keys_are_refused_and_nothing_is_written(storage: Storage, source: Path, key: str) -> None:
    for write in (
        lambda: storage.put(source, key),
        lambda: storage.put_bytes(b"x", key),
        lambda: storage.put_json(key, 1),
    ):
        with pytest.raises(InvalidInput) as refused:
            write()
        assert refused.value.code == "reference_invalid"
    assert names_in(storage.root) == []
    assert names_in(storage.root.parent) == ["source.bin"]


def test_a_key_cannot_climb_through_a_link(storage: Storage, source: Path, tmp_path: Path) -> None:
    (storage.root / "out").symlink_to(tmp_path)
    with pytest.raises(InvalidInput):
        storage.put(source, "out/evil.txt")
    assert not (tmp_path / "evil.txt").exists()


def test_putting_over_a_link_replaces_the_link_not_its_target(storage: Storage, source: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (storage.root / "key").symlink_to(tmp_path / "precious")
    storage.put(source, "key")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (storage.root / "key").is_symlink()


def test_a_second_put_is_the_first(storage: Storage, source: Path) -> None:
    assert storage.put(source, "k") == storage.put(source, "k")
    assert names_in(storage.root) == ["k"]


def test_a_file_as_a_directory_is_refused(storage: Storage, source: Path) -> None:
    storage.put(source, "file")
    with pytest.raises(InvalidInput):
        storage.put(source, "file/below")


def test_json_comes_back_and_the_same_value_is_the_same_file(storage: Storage) -> None:
    value = {"b": [1, 2.5, None, True], "a": "会议 🎤"}
    first = storage.put_json("x.json", value)
    second = storage.put_json("y.json", dict(reversed(value.items())))
    assert storage.get_json(first.url) == value
    assert first.sha256 == second.sha256


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800", object()])
def test_what_json_cannot_hold_is_refused(storage: Storage, value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        storage.put_json("x.json", value)
    assert refused.value.code == "value_invalid"
    assert names_in(storage.root) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_file_that_is_not_json_is_named(storage: Storage, content: bytes) -> None:
    storage.put_bytes(content, "x.json")
    with pytest.raises(InvalidInput, match=r"x\.json: does not hold JSON"):
        storage.get_json("x.json")


def test_a_users_file_is_copied_not_linked(storage: Storage, source: Path) -> None:
    stored = storage.import_file(source, "in/recording", max_bytes=7000)
    source.write_bytes(b"changed")
    assert storage.path_of(stored.url).read_bytes() == b"content" * 1000
    assert storage.path_of(stored.url).stat().st_nlink == 1


def test_a_users_file_that_is_too_large_or_odd_is_refused(storage: Storage, source: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    for path, code in (
        (source, "media_too_large"),
        (tmp_path / "nothing", "media_not_found"),
        (tmp_path / "pipe", "media_invalid"),
        (tmp_path / "empty", "media_invalid"),
        (tmp_path, "media_invalid"),
    ):
        with pytest.raises(InvalidInput) as refused:
            storage.import_file(path, "k", max_bytes=6999)
        assert refused.value.code == code
    assert names_in(storage.root) == []


def test_cancelling_a_copy_leaves_nothing(storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_POLL_S", 0.0)
    path = tmp_path / "large"
    path.write_bytes(bytes(5 << 20))
    polls: list[int] = []
    with pytest.raises(Cancelled):
        storage.put(path, "k", cancelled=lambda: len(polls) > 2 or bool(polls.append(1)))
    assert names_in(storage.root) == []


def test_a_disk_that_takes_no_more_leaves_the_old_file(storage: Storage, tmp_path: Path) -> None:
    storage.put_bytes(b"old", "k")
    path = tmp_path / "large"
    path.write_bytes(bytes(100_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        for write in (lambda: storage.put(path, "k"), lambda: storage.put_bytes(bytes(100_000), "k")):
            with pytest.raises(OutOfResource, match="grew beyond"):
                write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert storage.path_of("k").read_bytes() == b"old"
    assert names_in(storage.root) == ["k"]


def test_scratch_goes_away_with_everything_in_it(storage: Storage) -> None:
    with storage.scratch("run-1") as path:
        (path / "deep").mkdir()
        (path / "deep" / "file").write_text("x")
        assert path.is_relative_to(storage.root)
    assert not path.exists()


def test_scratch_goes_away_after_a_failure(storage: Storage) -> None:
    with pytest.raises(ZeroDivisionError), storage.scratch("run-1") as path:
        raise ZeroDivisionError
    assert not path.exists()


@pytest.mark.parametrize("run_id", ["", "..", "a/b", "../x", "\0", "x" * 256])
def test_a_run_id_is_one_name(storage: Storage, run_id: str) -> None:
    with pytest.raises(InvalidInput), storage.scratch(run_id):
        pass


def test_scratch_again_gives_what_a_crash_left(storage: Storage) -> None:
    with storage.scratch("run-1") as path:
        (path / "half").write_text("x")
        with storage.scratch("run-1") as again:
            assert (again / "half").read_text() == "x"


def test_free_space_is_asked_before_the_work(storage: Storage) -> None:
    assert storage.free_bytes() > 0
    storage.require_free(1)
    with pytest.raises(OutOfResource) as refused:
        storage.require_free(1 << 60)
    assert refused.value.details["needed_bytes"] == 1 << 60


def test_a_prefix_is_removed_with_its_links_but_not_their_targets(
    storage: Storage, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("precious")
    for key in ("run/a", "run/sub/b", "other/c"):
        storage.put(source, key)
    (storage.root / "run" / "link").symlink_to(tmp_path / "outside")
    storage.remove_prefix("run")
    assert names_in(storage.root) == ["other/c"]
    assert (tmp_path / "outside" / "precious").read_text() == "precious"
    assert storage.remove_prefix("run") == 0
    assert storage.remove_prefix("other/c") == 1


def test_a_prefix_that_is_a_link_is_removed_alone(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("precious")
    (storage.root / "link").symlink_to(tmp_path / "outside")
    assert storage.remove_prefix("link") == 1
    assert not (storage.root / "link").is_symlink()
    assert (tmp_path / "outside" / "precious").read_text() == "precious"


@pytest.mark.parametrize("prefix", ["", ".", "..", "/", "a/..", "../root"])
def test_the_root_itself_cannot_be_removed(storage: Storage, source: Path, prefix: str) -> None:
    storage.put(source, "a/b")
    with pytest.raises(InvalidInput):
        storage.remove_prefix(prefix)
    assert names_in(storage.root) == ["a/b"]


def test_many_writers_of_one_key_leave_one_whole_file(storage: Storage) -> None:
    contents = [bytes([n]) * 200_000 for n in range(8)]
    threads = [threading.Thread(target=storage.put_bytes, args=(content, "k")) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert storage.path_of("k").read_bytes() in contents
    assert names_in(storage.root) == ["k"]


def test_a_root_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput):
        Storage(tmp_path / "file" / "root")
