"""Reference statistics beside numpy."""

import json
import struct
import zlib

import llmdit
import numpy as np
import pytest
import torch
from llmdit import vl
from reference import draw

WIDTH = 9


def prompts(dtype=torch.float32):
    scales = torch.tensor([1.0, 60, 2700, 1e-3, 5, 5, 5, 5, 0.0])
    return [(draw(i, 3 + 7 * i, WIDTH) * scales + 100).to(dtype) for i in range(4)]


def assert_statistics(stats, embeddings, rel=1e-12):
    rows = np.concatenate([tensor.double().numpy() for tensor in embeddings])
    np.testing.assert_allclose(stats.per_dim_mean.numpy(), rows.mean(0), rtol=1e-6)
    np.testing.assert_allclose(stats.per_dim_std.numpy(), rows.std(0, ddof=1), rtol=1e-6, atol=1e-12)
    assert stats.per_dim_mean.dtype == stats.per_dim_std.dtype == torch.float32
    assert stats.global_mean == pytest.approx(rows.mean(), rel=rel)
    assert stats.global_std == pytest.approx(rows.std(ddof=1), rel=rel)
    assert (stats.hidden_dim, stats.num_prompts, stats.num_tokens) == (WIDTH, len(embeddings), len(rows))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_compute(dtype):
    embeddings = prompts(dtype)
    assert_statistics(vl.ReferenceStatistics.compute(embeddings), embeddings)
    assert_statistics(vl.ReferenceStatistics.compute(embeddings[3]), embeddings[3:])
    single_rows = list(embeddings[1].split(1))
    assert_statistics(vl.ReferenceStatistics.compute(single_rows), single_rows)


def test_far_from_zero():
    """Sums of squares would lose every digit here."""
    embeddings = [(draw(i, 10, WIDTH).double() + 1e7) for i in range(3)]
    assert_statistics(vl.ReferenceStatistics.compute(embeddings), embeddings, rel=1e-8)


def test_record():
    stats = vl.ReferenceStatistics.compute(prompts(), model="m", hidden_layer=-6)
    assert (stats.model, stats.hidden_layer) == ("m", -6)
    assert "ReferenceStatistics(per_dim_mean=<torch.float32 [9]>" in repr(stats)
    stats.per_dim_mean += 1  # an ordinary tensor
    copy = vl.ReferenceStatistics(per_dim_mean=torch.zeros(2), per_dim_std=torch.ones(2), global_mean=0.5, global_std=2)
    copy.check()
    assert copy.hidden_layer is None and copy.hidden_dim == 2


def test_refusals():
    good = draw(1, 4, WIDTH)
    bad = good.clone()
    bad[2, 0] = float("inf")
    for embeddings, message in (
        ([], "two tokens or more, got 0"),
        (good[:1], "two tokens or more, got 1"),
        ([good, good[:, :4]], "one width, got 4 after 9"),
        ([good, bad], "NaN or infinity, first in row 2"),
        (good[0], r"\[rows, hidden\]"),
        ([good, good[:0]], "at least 1"),
    ):
        with pytest.raises(llmdit.InvalidArgument, match=message):
            vl.ReferenceStatistics.compute(embeddings)
    with pytest.raises(TypeError):
        vl.ReferenceStatistics.compute("text")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"per_dim_mean": torch.zeros(3)}, "equal length"),
        ({"per_dim_std": torch.zeros(2, dtype=torch.float64)}, "float32"),
        ({"per_dim_mean": torch.tensor([0, float("nan")])}, "finite"),
        ({"per_dim_std": torch.tensor([1.0, -1.0])}, "at least 0"),
        ({"global_std": float("inf")}, "finite"),
        ({"global_std": -1.0}, "at least 0"),
        ({"num_tokens": -1}, "counts"),
        ({"per_dim_mean": torch.zeros(0), "per_dim_std": torch.zeros(0)}, "equal length"),
    ],
)
def test_check(change, message):
    good = {"per_dim_mean": torch.zeros(2), "per_dim_std": torch.ones(2), "global_std": 1.0}
    with pytest.raises(llmdit.InvalidArgument, match=message):
        vl.ReferenceStatistics(**good | change).check()


# Files.


def statistics():
    return vl.ReferenceStatistics.compute(prompts(), model="Qwen3-4B \u00e4 \u732b \U0001f408", hidden_layer=-2)


def assert_same(got, want):
    assert torch.equal(got.per_dim_mean, want.per_dim_mean) and torch.equal(got.per_dim_std, want.per_dim_std)
    for name in ("global_mean", "global_std", "model", "hidden_layer", "num_prompts", "num_tokens"):
        assert getattr(got, name) == getattr(want, name), name


@pytest.mark.parametrize("suffix", ["npz", "json"])
def test_round_trip(tmp_path, suffix):
    path = tmp_path / f"text.{suffix}"
    want = statistics()
    want.save(path)
    assert_same(vl.ReferenceStatistics.load(path), want)
    first = path.read_bytes()
    want.save(str(path))
    assert path.read_bytes() == first, "equal statistics give equal files"
    want.model, want.hidden_layer = "", None
    want.save(path)
    assert_same(vl.ReferenceStatistics.load(path), want)


def test_numpy_reads_what_is_written(tmp_path):
    want = statistics()
    want.save(tmp_path / "text.npz")
    with np.load(tmp_path / "text.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == sorted(
            ["per_dim_mean", "per_dim_std", "global_mean", "global_std", "model", "layer", "num_prompts", "num_tokens"]
        )
        assert arrays["per_dim_std"].dtype == np.float32 and arrays["global_std"].dtype == np.float64
        np.testing.assert_array_equal(arrays["per_dim_std"], want.per_dim_std.numpy())
        assert arrays["global_std"].shape == () and arrays["global_std"] == want.global_std
        assert arrays["model"] == want.model and arrays["layer"] == -2 and arrays["num_tokens"] == want.num_tokens


def test_json_has_plain_numbers(tmp_path):
    want = statistics()
    want.save(tmp_path / "text.json")
    document = json.loads((tmp_path / "text.json").read_text(encoding="utf-8"))
    assert document["hidden_dim"] == WIDTH and document["layer"] == -2 and document["num_prompts"] == 4
    np.testing.assert_array_equal(np.float32(document["per_dim_mean"]), want.per_dim_mean.numpy())


BARE = {"per_dim_mean": np.arange(3, dtype=np.float32), "per_dim_std": np.ones(3, np.float32)}
BARE |= {"global_mean": np.float64(0.25), "global_std": np.float64(61.5)}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"per_dim_mean": np.arange(3, dtype=np.float64)},
        {"per_dim_std": np.ones(3, np.float16), "global_mean": np.float16(0.25)},
        {"global_std": np.float32(61.5), "layer": np.int8(-2), "num_tokens": np.uint64(7)},
        {"layer": np.int16(-2), "num_prompts": np.uint16(2), "num_tokens": np.uint32(7), "model": np.array("\u732b")},
        {"layer": np.int32(-2), "model": np.array(""), "something": np.bool_(True)},
        {"matrix": np.zeros((2, 3), np.float32), "column": np.asfortranarray(np.zeros(4))},
    ],
    ids=str,
)
def test_files_of_numpy(tmp_path, save, change):
    arrays = BARE | change
    path = tmp_path / "x.npz"
    save(path, **arrays)
    stats = vl.ReferenceStatistics.load(path)
    assert torch.equal(stats.per_dim_mean, torch.arange(3.0)) and torch.equal(stats.per_dim_std, torch.ones(3))
    assert (stats.global_mean, stats.global_std) == (0.25, 61.5)
    assert stats.model == str(arrays.get("model", ""))
    assert stats.hidden_layer == (arrays["layer"] if "layer" in arrays else None)
    assert stats.num_tokens == arrays.get("num_tokens", 0)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"per_dim_mean": None}, 'an array under "per_dim_mean"'),
        ({"global_std": None}, 'under "global_std"'),
        ({"global_std": np.ones(1)}, 'a single value under "global_std"'),
        ({"global_std": np.int64(3)}, "a floating-point number"),
        ({"per_dim_std": np.ones((3, 1), np.float32)}, "one dimension"),
        ({"per_dim_std": np.ones(3, np.int64)}, "floating-point numbers"),
        ({"per_dim_std": np.ones(4, np.float32)}, "equal length"),
        ({"per_dim_std": -np.ones(3, np.float32)}, "at least 0"),
        ({"per_dim_mean": np.full(3, np.nan, np.float32)}, "finite"),
        ({"per_dim_mean": np.full(3, 1e300)}, "finite"),
        ({"per_dim_mean": np.zeros(0, np.float32), "per_dim_std": np.zeros(0, np.float32)}, "equal length"),
        ({"per_dim_mean": BARE["per_dim_mean"].astype(">f4")}, "big-endian"),
        ({"model": np.array(["a", "b"])}, "type U1"),
        ({"model": np.array(None)}, "Python objects are not loaded"),
        ({"model": np.complex64(1)}, "type c8"),
        ({"model": np.zeros(2, [("a", "<f4")])}, "header of a .npy file"),
        ({"matrix": np.asfortranarray(np.zeros((2, 3)))}, "Fortran order"),
        ({"layer": np.uint64(2**63)}, "an integer above"),
        ({"layer": np.float64(-2)}, 'an integer under "layer"'),
        ({"num_prompts": np.int64(-1)}, "counts"),
    ],
)
def test_npz_that_holds_something_else(tmp_path, change, message):
    arrays = {name: array for name, array in (BARE | change).items() if array is not None}
    path = tmp_path / "x.npz"
    np.savez(path, **arrays)
    with pytest.raises(llmdit.Unsupported, match=message) as raised:
        vl.ReferenceStatistics.load(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_npz(tmp_path, save):
    """Cut anywhere, or with any byte changed, a file is refused or means the same."""
    path = tmp_path / "x.npz"
    save(path, **BARE)
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(llmdit.Unsupported):
            vl.ReferenceStatistics.load(path)
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            stats = vl.ReferenceStatistics.load(path)
        except llmdit.Unsupported:
            continue
        assert torch.equal(stats.per_dim_mean, torch.arange(3.0)) and stats.global_std == 61.5
    path.write_bytes(whole + b"\0")
    with pytest.raises(llmdit.Unsupported, match="no directory at its end"):
        vl.ReferenceStatistics.load(path)


def zip_file(members, *, method=0, flags=0, size=None, count=None):
    """A ZIP file written by hand, to say what zipfile would not."""
    body, directory = b"", b""
    for name, data in members:
        fields = (20, flags, method, 0, 33, zlib.crc32(data), len(data), len(data) if size is None else size)
        common = struct.pack("<HHHHHIIIHH", *fields, len(name), 0)
        directory += (
            b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        )
        body += b"PK\x03\x04" + common + name + data
    total = len(members) if count is None else count
    return body + directory + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, total, total, len(directory), len(body), 0)


def test_members_may_not_share_their_bytes(tmp_path):
    """Else a small file of many entries is unpacked for hours."""
    packed = b"\x00\x00\x00\xff\xff" * 20_000 + b"\x03\x00"  # empty blocks
    fields = (20, 0, 8, 0, 33, 0, len(packed), 0)
    member = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", *fields, 1, 0) + b"m" + packed
    directory = b""
    for i in range(1000):
        name = f"{i}.npy".encode()
        common = struct.pack("<HHHHHIIIHH", *fields, len(name), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1000, 1000, len(directory), len(member), 0)
    path = tmp_path / "x.npz"
    path.write_bytes(member + directory + end)
    with pytest.raises(llmdit.Unsupported, match="share their bytes"):
        vl.ReferenceStatistics.load(path)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "something shorter"),
        (b"not a zip file, but long enough to be one", "no directory at its end"),
        (zip_file([(b"a.npy", b"x"), (b"a.npy", b"x")]), "stands there twice"),
        (zip_file([(b"a.txt", b"x")]), "end in .npy"),
        (zip_file([(b"a.npy", b"x")], method=12), "compression method 12"),
        (zip_file([(b"a.npy", b"x")], flags=1), "encrypted"),
        (zip_file([(b"a.npy", b"x")], size=2), "two sizes"),
        (zip_file([(b"a.npy", b"x")], size=2**31), "too large"),
        (zip_file([(b"a.npy", b"x")], size=2**32 - 1), "above 4 GiB"),
        (zip_file([(b"a.npy", b"x")], method=8), "cannot be unpacked"),
        (zip_file([(b"a.npy", b"x")], count=2), "ends too early"),
        (zip_file([(b"a.npy", b"")], method=8), "cannot be unpacked"),
        (zip_file([(b"a.npy", b"\x93NUMPY\x01\x00\xff\xff{}")]), "header of a .npy file"),
        (zip_file([(b"a.npy", b"\x93NUMPY\x09\x00\x02\x00{}")]), "header of a .npy file"),
        (zip_file([]), 'an array under "per_dim_mean"'),
    ],
)
def test_odd_zip_files(tmp_path, content, message):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(llmdit.Unsupported, match=message):
        vl.ReferenceStatistics.load(path)


def npy(header, data=b"", version=1):
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


@pytest.mark.parametrize(
    "header, good",
    [
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (), }", True),
        (b'{"shape":(),"fortran_order":True,"descr":"<f8"}\n', True),
        (b"{'descr': '=f8', 'fortran_order': False, 'shape': ()}", True),
        (b"{'descr': '<f8', 'fortran_order': False}", False),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': ()} 1", False),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (), 'more': 1}", False),
        (b"{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': ()}", False),
        (b"{'descr': '<f8', 'fortran_order': 0, 'shape': ()}", False),
        (b"{'descr': '', 'fortran_order': False, 'shape': ()}", False),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", False),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (1 1)}", False),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}", False),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296)}", False),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (" + b"1," * 33 + b")}", False),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", False),
        (b"{'descr", False),
        (b"", False),
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_npy_headers(tmp_path, header, good, version):
    members = []
    for name, array in BARE.items():
        data = array.tobytes()
        head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"
        members.append((name.encode() + b".npy", npy(header if array.ndim == 0 else head, data, version)))
    path = tmp_path / "x.npz"
    path.write_bytes(zip_file(members))
    if good:
        assert vl.ReferenceStatistics.load(path).global_std == 61.5
    else:
        with pytest.raises(llmdit.Unsupported, match="array global_mean.npy"):
            vl.ReferenceStatistics.load(path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"per_dim_mean": None}, "per_dim_mean"),
        ({"per_dim_mean": "text"}, "per_dim_mean"),
        ({"per_dim_mean": [0, 1, "2"]}, "per_dim_mean"),
        ({"per_dim_mean": [0, 1, 1e39]}, "finite"),
        ({"per_dim_std": [1, 1]}, "equal length"),
        ({"global_std": -1}, "at least 0"),
        ({"layer": 1.5}, "layer"),
        ({"num_tokens": True}, "num_tokens"),
    ],
)
def test_json_that_holds_something_else(tmp_path, change, message):
    document = {name: array.tolist() for name, array in BARE.items()}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    assert vl.ReferenceStatistics.load(path).global_std == 61.5
    path.write_text(json.dumps({name: value for name, value in (document | change).items() if value is not None}))
    with pytest.raises(llmdit.Unsupported, match=message):
        vl.ReferenceStatistics.load(path)


def test_file_names(tmp_path):
    stats = statistics()
    for name in ("x", "x.npy", "x.safetensors", ".npz"):
        with pytest.raises(llmdit.InvalidArgument, match=r"ends in .npz or .json"):
            stats.save(tmp_path / name)
        with pytest.raises(llmdit.InvalidArgument, match=r"ends in .npz or .json"):
            vl.ReferenceStatistics.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        vl.ReferenceStatistics.load(tmp_path / "missing.npz")
    with pytest.raises(FileNotFoundError):
        stats.save(tmp_path / "missing" / "x.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(FileNotFoundError, match="folder"):
        vl.ReferenceStatistics.load(tmp_path / "folder.npz")
    stats.per_dim_std = -stats.per_dim_std
    with pytest.raises(llmdit.InvalidArgument):
        stats.save(tmp_path / "x.npz")
    assert not (tmp_path / "x.npz").exists()


def test_prompts_to_compute_from(pipe):
    texts = vl.statistics_prompts()
    assert len(texts) >= 20 and len(set(texts)) == len(texts) and all(text.isascii() for text in texts)
    output = pipe.encode_prompt(texts)
    stats = vl.ReferenceStatistics.compute(output.embeddings, model="demo", hidden_layer=-2)
    assert stats.num_tokens == sum(output.token_counts) and stats.hidden_dim == pipe.text_encoder.hidden_size
    # The encoder's own embeddings are on the scale of their own statistics.
    scaled = vl.normalize_per_dimension(torch.cat(output.embeddings), clip_outliers=False, stats=stats)
    assert torch.allclose(scaled, torch.cat(output.embeddings), atol=1e-3)
    assert vl.get_outlier_dimensions(torch.cat(output.embeddings), stats=stats) == []
