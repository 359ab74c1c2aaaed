"""Pictures come out of every kind of source as they went in."""

import io
import json
import pickle
import sys

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from core.errors import InputError
from core.images import toybox
from core.images.preprocess import Preprocessing
from core.images.sources import batches, data_folder, download_folder, named_sources, open_source, read, source_id
from tests.soak.sources import MADE as HOSTILE
from tests.soak.sources import table

SIZE = 8
SEEN = Preprocessing(SIZE)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def as_tensor(pixels):
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def test_parquet(tmp_path, pixels):
    columns = {"label": [3, 1, None, 0, 2], "domain": ["a", "a", "b", None, "b"], "other": [0] * 5}
    source = open_source(parquet(tmp_path / "set.parquet", image=[png(p) for p in pixels], **columns))
    batch = read(source, SEEN)
    assert len(source) == 5 and source.classes is None
    assert torch.equal(batch.images, as_tensor(pixels)) and batch.images.dtype == torch.uint8
    assert batch.labels.tolist() == [3, 1, -1, 0, 2] and batch.labels.dtype == torch.int64
    assert batch.domains == ("a", "a", "b", None, "b") and batch.errors == ()
    assert batch.names == tuple(f"set/{i}" for i in range(5))
    assert [source[i].label for i in (4, 0, 3, 1)] == [2, 3, 0, 1]  # row groups of two, in any order
    assert len(list(source)) == 5  # IndexError ends an iteration


def test_parquet_without_labels(tmp_path, pixels):
    batch = read(open_source(parquet(tmp_path / "set.parquet", image=[png(p) for p in pixels])), SEEN)
    assert batch.labels.tolist() == [-1] * 5 and batch.domains == (None,) * 5 and torch.equal(batch.images, as_tensor(pixels))


def test_flat_folder(tmp_path, pixels):
    for name, p in zip(("b.png", "a.PNG", "c.bmp"), pixels, strict=False):
        Image.fromarray(p).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    source = open_source(tmp_path)
    batch = read(source, SEEN)
    assert batch.names == ("a.PNG", "b.png", "c.bmp") and source.classes is None and batch.labels.tolist() == [-1] * 3
    assert torch.equal(batch.images, as_tensor(pixels[[1, 0, 2]]))


def test_a_folder_a_class(tmp_path, pixels):
    for folder, name, p in (("fox", "1.png", pixels[0]), ("cat", "2.png", pixels[1]), ("cat", "1.png", pixels[2]), ("fox", "deep/3.png", pixels[3])):
        (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(p).save(tmp_path / folder / name)
    source = open_source(str(tmp_path))
    batch = read(source, SEEN)
    assert source.classes == ("cat", "fox") and batch.labels.tolist() == [0, 0, 1, 1]
    assert [name.replace("\\", "/") for name in batch.names] == ["cat/1.png", "cat/2.png", "fox/1.png", "fox/deep/3.png"]
    assert torch.equal(batch.images, as_tensor(pixels[[2, 1, 0, 3]]))


@pytest.mark.parametrize(("images", "labels"), [("images", "labels"), ("x", "y"), ("arr_0", None)])
def test_arrays(tmp_path, pixels, images, labels):
    np.savez(tmp_path / "set.npz", **{images: pixels}, **({labels: np.arange(5)} if labels else {}))
    batch = read(open_source(tmp_path / "set.npz"), SEEN)
    assert torch.equal(batch.images, as_tensor(pixels)) and batch.names[2] == "set/2"
    assert batch.labels.tolist() == (list(range(5)) if labels else [-1] * 5)


def test_toybox():
    source = open_source("toybox:test")
    batch = read(source, Preprocessing(64), stop=4)
    drawn = [toybox.draw("test", i) for i in range(4)]
    assert len(source) == toybox.SIZES["test"] and source.classes == toybox.KNOWN
    assert torch.equal(batch.images, as_tensor(np.stack([toy.image for toy in drawn]))) and batch.labels.tolist() == [toy.label for toy in drawn]
    with pytest.raises(InputError, match="no toybox split named 'exam'; the known ones are .*test"):
        open_source("toybox:exam")


def test_torchvision_sets_are_named_and_never_downloaded_unasked(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert download_folder() == tmp_path / "blockscope"
    with pytest.raises(InputError, match="CIFAR10 has not been downloaded yet; run python -m core download CIFAR10"):
        open_source("torchvision:CIFAR10/test")
    with pytest.raises(InputError, match="no torchvision data set named 'COCO'; the known ones are CIFAR10, "):
        open_source("torchvision:COCO/test")
    with pytest.raises(InputError, match="no split of CIFAR10 named 'exam'; the known ones are test, train"):
        open_source("torchvision:CIFAR10/exam")


def test_the_data_folder_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("BLOCKSCOPE_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.setenv("BLOCKSCOPE_DATA", str(tmp_path / "nowhere"))
    assert data_folder() is None
    monkeypatch.delenv("BLOCKSCOPE_DATA")
    assert data_folder() is None


def test_a_bad_picture_is_an_error_and_the_others_stay(tmp_path, pixels):
    encoded = [png(p) for p in pixels]
    encoded[1], encoded[3] = b"not a picture", None
    source = open_source(parquet(tmp_path / "set.parquet", image=encoded, label=[0, 1, 2, 3, 4]))
    batch = read(source, SEEN)
    assert torch.equal(batch.images, as_tensor(pixels[[0, 2, 4]]))
    assert batch.labels.tolist() == [0, 2, 4] and batch.names == ("set/0", "set/2", "set/4")
    assert [name for name, _ in batch.errors] == ["set/1", "set/3"] and all(sentence.endswith(".") for _, sentence in batch.errors)


def test_where_no_picture_can_be_read_the_batch_is_empty(tmp_path):
    batch = read(open_source(parquet(tmp_path / "set.parquet", image=[b"x", b"y"])), SEEN)
    assert batch.images.shape == (0, 3, SIZE, SIZE) and batch.images.dtype == torch.uint8 and len(batch.labels) == 0 and len(batch.errors) == 2


def test_slices_and_batches(tmp_path, pixels):
    np.savez(tmp_path / "set.npz", images=pixels)
    source = open_source(tmp_path / "set.npz")
    assert torch.equal(read(source, SEEN, start=1, stop=4).images, as_tensor(pixels[1:4]))
    assert torch.equal(read(source, SEEN, start=3, stop=99).images, as_tensor(pixels[3:]))
    assert read(source, SEEN, stop=0).images.shape == (0, 3, SIZE, SIZE)
    parts = list(batches(source, SEEN, size=2, start=1))
    assert [p.names for p in parts] == [("set/1", "set/2"), ("set/3", "set/4")]
    assert torch.equal(torch.cat([p.images for p in parts]), as_tensor(pixels[1:]))
    seen = []
    read(source, SEEN, start=1, progress=lambda *step: seen.append(step))
    assert seen == [(4, 4)]


def test_pictures_are_decoded_lazily(tmp_path):
    source = open_source(parquet(tmp_path / "set.parquet", image=[b"never looked at"] * 3))
    assert source[2].data == b"never looked at"
    with pytest.raises(IndexError):
        source[3]
    with pytest.raises(InputError):
        source[2].open()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("set.parquet", b"not parquet", "set.parquet is not a Parquet file that can be read"),
        ("set.npz", b"not arrays", "set.npz is not an .npz file that can be read; write it with numpy.savez"),
        ("set.csv", b"a,b", "set.csv is no picture source; give a .parquet or .npz file, or a folder"),
    ],
)
def test_files_that_are_no_source_are_explained(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_source(tmp_path / name)


def test_missing_and_empty_places_are_explained(tmp_path):
    with pytest.raises(InputError, match="no picture source .*nowhere; give a .parquet or .npz file, a folder, toybox:test"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no pictures; put JPEG or PNG files in it"):
        open_source(tmp_path)


def test_columns_and_shapes_are_explained(tmp_path, pixels):
    with pytest.raises(InputError, match=r"no column 'image' \(it has picture, label\)"):
        open_source(parquet(tmp_path / "set.parquet", picture=[b""], label=[0]))
    for arrays in ({"images": pixels.astype(np.float32)}, {"images": pixels[..., :1]}, {"other": pixels}):
        np.savez(tmp_path / "set.npz", **arrays)
        with pytest.raises(InputError, match=r"needs an array 'images' of shape \(N, H, W, 3\) and type uint8"):
            open_source(tmp_path / "set.npz")
    np.savez(tmp_path / "set.npz", images=pixels, labels=np.arange(3))
    with pytest.raises(InputError, match=r"5 images but labels of shape \(3,\)"):
        open_source(tmp_path / "set.npz")


@pytest.mark.parametrize("content", [b"PK\x03\x04 but no archive", b"", "npy"], ids=["zip", "empty", "npy"])
def test_a_damaged_npz_is_explained(tmp_path, content, pixels):
    if content == "npy":
        file = io.BytesIO()
        np.save(file, pixels)
        content = file.getvalue()
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(InputError, match="set.npz is not an .npz file that can be read"):
        open_source(tmp_path / "set.npz")


@pytest.mark.parametrize("kind", ["parquet", "npz"])
def test_a_file_without_pictures_is_explained(tmp_path, kind, pixels):
    if kind == "parquet":
        parquet(tmp_path / "set.parquet", image=pa.array([], pa.binary()))
    else:
        np.savez(tmp_path / "set.npz", images=pixels[:0])
    with pytest.raises(InputError, match="no pictures"):
        open_source(tmp_path / f"set.{kind}")


def test_text_in_the_image_column_is_never_opened_as_a_path(tmp_path, pixels):
    Image.fromarray(pixels[0]).save(tmp_path / "private.png")
    path = parquet(tmp_path / "set.parquet", image=[str(tmp_path / "private.png")])
    with pytest.raises(InputError, match="image"):
        read(open_source(path), SEEN)


@pytest.mark.parametrize("columns", [{"image": [{"bytes": b"x", "path": "x"}]}, {"image": [b"x"], "label": ["cat"]}], ids=["struct", "text label"])
def test_columns_of_another_type_are_explained(tmp_path, columns):
    with pytest.raises(InputError, match="column"):
        read(open_source(parquet(tmp_path / "set.parquet", **columns)), SEEN)


def test_the_shipped_sets_can_be_read(data):
    source = open_source(data / "cifar10_test.parquet")
    batch = read(source, Preprocessing(32), start=995, stop=1005)  # over the edge of a row group
    assert len(source) == 6667 and batch.images.shape == (10, 3, 32, 32) and batch.labels.min() >= 0 and not batch.errors
    assert np.array_equal(batch.images[7].permute(1, 2, 0).numpy(), np.asarray(source[1002].open()))
    assert source[1002].label == batch.labels[7]


@pytest.mark.parametrize(("kind", "mean", "deviation", "ends"), [("uniform", 127.5, 73.9, 2 / 256), ("gaussian", 127.5, 107, 0.6)])
def test_noise_has_the_statistics_it_is_named_for(kind, mean, deviation, ends):
    source = open_source(f"noise:{kind}")
    pixels = np.stack([source[i].data for i in range(40)]).astype(float)
    assert len(source) == 10_000 and source[0].label == -1
    assert pixels.mean() == pytest.approx(mean, abs=1) and pixels.std() == pytest.approx(deviation, rel=0.03)
    assert np.isin(pixels, (0, 255)).mean() == pytest.approx(ends, rel=0.1)
    assert np.array_equal(source[7].data, open_source(f"noise:{kind}")[7].data) and not np.array_equal(source[7].data, source[8].data)
    with pytest.raises(InputError, match="no noise named 'pink'; the known ones are gaussian, uniform"):
        open_source("noise:pink")


def test_named_sources():
    assert named_sources(["a=x.parquet", "b=toybox:near", "c=d=e"]) == {"a": "x.parquet", "b": "toybox:near", "c": "d=e"}
    for wrong in ("x.parquet", "=x", "a="):
        with pytest.raises(InputError, match="is not of the form NAME=SRC"):
            named_sources([wrong])
    with pytest.raises(InputError, match="name of its own"):
        named_sources(["a=x", "a=y"])


def test_a_source_is_named_so_that_another_machine_finds_it(tmp_path, monkeypatch):
    folder = tmp_path / "ood"
    folder.mkdir()
    (folder / "svhn.parquet").write_bytes(b"")
    assert source_id("toybox:near") == "toybox:near"
    assert source_id(folder / "svhn.parquet") == "data:svhn"
    monkeypatch.setenv("BLOCKSCOPE_DATA", str(tmp_path))
    assert source_id(folder / "svhn.parquet") == "data:ood/svhn"


def test_what_source_id_writes_is_opened_in_the_data_folder_and_nowhere_else(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    (folder / "ood").mkdir(parents=True)
    for file in (folder / "ood" / "svhn.parquet", tmp_path / "secret.parquet"):
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4)).save(buffer, "PNG")
        pq.write_table(pa.table({"image": [buffer.getvalue()], "label": [3]}), file)
    monkeypatch.setenv("BLOCKSCOPE_DATA", str(folder))
    assert len(open_source(source_id(folder / "ood" / "svhn.parquet"))) == 1
    for outside in ("data:../secret", "data:no_such", f"data:{tmp_path}/secret"):
        with pytest.raises(InputError, match="no picture source"):
            open_source(outside)
    monkeypatch.delenv("BLOCKSCOPE_DATA")
    with pytest.raises(InputError):
        open_source("data:ood/svhn")


@pytest.fixture
def memory():
    """Return an empty file system that is reached by URL, memory://."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()


def test_items_in_a_row_are_those_one_by_one(tmp_path, pixels, memory):
    parquet(tmp_path / "set.parquet", image=[png(p) for p in pixels], label=[3, 1, None, 0, 2])
    for name, p in zip(("b/1.png", "b/2.png", "a/1.png"), pixels, strict=False):
        memory.pipe_file(f"/photos/{name}", png(p))
    for spec in (tmp_path / "set.parquet", "toybox:test", "noise:gaussian", "memory://photos"):
        source = open_source(spec)
        for start, stop in ((0, 3), (1, 2), (2, 3)):
            one_by_one = [source[i] for i in range(start, stop)]
            in_a_row = list(source.items(start, stop))
            assert [(i.name, i.label, i.domain) for i in in_a_row] == [(i.name, i.label, i.domain) for i in one_by_one]
            assert all(np.array_equal(np.asarray(a.open()), np.asarray(b.open())) for a, b in zip(in_a_row, one_by_one, strict=True))


def test_a_folder_of_parquet_files_is_one_source(tmp_path, pixels):
    (tmp_path / "late").mkdir()
    parquet(tmp_path / "b.parquet", image=[png(p) for p in pixels[:3]], label=[0, 1, 2])
    parquet(tmp_path / "a.parquet", image=[png(pixels[3])])
    parquet(tmp_path / "late" / "c.parquet", image=[png(pixels[4])], label=[4])
    (tmp_path / "_metadata.parquet").write_bytes(b"of another program")
    source = open_source(tmp_path)
    batch = read(source, SEEN)
    assert batch.names == ("a/0", "b/0", "b/1", "b/2", "late/c/0") and batch.labels.tolist() == [-1, 0, 1, 2, 4]
    assert torch.equal(batch.images, as_tensor(pixels[[3, 0, 1, 2, 4]])) and source.name == tmp_path.name
    assert [item.name for item in source.items(2, 5)] == ["b/1", "b/2", "late/c/0"]


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_urls_are_read_as_paths_are(tmp_path, pixels, memory, scheme):
    fs, root = fsspec.filesystem(scheme), f"{tmp_path}/data"
    fs.makedirs(f"{root}/photos/cat", exist_ok=True)
    fs.makedirs(f"{root}/tables", exist_ok=True)
    fs.pipe_file(f"{root}/photos/cat/1.png", png(pixels[0]))
    fs.pipe_file(f"{root}/photos/cat/2.png", b"no picture")
    fs.pipe_file(f"{root}/tables/set.parquet", parquet(tmp_path / "set.parquet", image=[png(p) for p in pixels]).read_bytes())
    folder = read(open_source(f"{scheme}://{root}/photos"), SEEN)
    assert folder.names == ("cat/1.png",) and folder.errors[0][0] == "cat/2.png" and folder.missing == (1,)
    assert torch.equal(folder.images, as_tensor(pixels[:1])) and open_source(f"{scheme}://{root}/photos").classes == ("cat",)
    for place in ("tables", "tables/set.parquet"):
        assert torch.equal(read(open_source(f"{scheme}://{root}/{place}"), SEEN).images, as_tensor(pixels))
    with pytest.raises(InputError, match="There is no picture source"):
        open_source(f"{scheme}://{root}/nowhere")


def test_urls_that_cannot_be_read_are_explained(monkeypatch):
    with pytest.raises(InputError, match="ftpx:// is no kind of URL that can be read here"):
        open_source("ftpx://host/folder")
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as where it is not installed
    with pytest.raises(InputError, match="s3:// needs the package s3fs; run pip install s3fs"):
        open_source("s3://bucket/folder")


def test_a_large_folder_takes_little_memory(tmp_path):
    for i in range(2000):
        (tmp_path / f"picture-{i:05}.png").touch()
    source = open_source(tmp_path)
    assert len(pickle.dumps(source)) / len(source) < 40  # bytes a name; as a list of paths it is some 300
    assert [source[i].name for i in (0, 1999)] == ["picture-00000.png", "picture-01999.png"]


def test_facts_tell_a_source_from_a_changed_one(tmp_path, pixels):
    path = parquet(tmp_path / "set.parquet", image=[png(p) for p in pixels])
    before = open_source(path).facts
    assert open_source(path).facts == before and json.loads(json.dumps(before)) == before
    parquet(path, image=[png(p) for p in pixels[:4]])
    assert open_source(path).facts != before
    for i in range(2):
        Image.fromarray(pixels[i]).save(tmp_path / f"{i}.png")
    folder = open_source(tmp_path).facts
    (tmp_path / "1.png").rename(tmp_path / "2.png")
    assert open_source(tmp_path).facts != folder


def test_a_source_travels_to_another_process(tmp_path, pixels):
    source = open_source(parquet(tmp_path / "set.parquet", image=[png(p) for p in pixels]))
    first = source[0]
    assert pickle.loads(pickle.dumps(source))[0] == first


def test_missing_says_where_the_bad_pictures_were(tmp_path, pixels):
    encoded = [b"bad" if i % 3 == 1 else png(pixels[i % 5]) for i in range(450)]
    batch = read(open_source(parquet(tmp_path / "set.parquet", image=encoded)), SEEN, start=2)
    assert batch.missing == tuple(i - 2 for i in range(2, 450) if i % 3 == 1) and len(batch.names) + len(batch.missing) == 448


@pytest.mark.parametrize("make", [make for name, make in HOSTILE.items() if "MB" not in name], ids=[name for name in HOSTILE if "MB" not in name])
def test_hostile_sources_are_refused_in_a_sentence_or_read(make, tmp_path):
    try:
        source = open_source(make(tmp_path))
        batch = read(source, Preprocessing(16))
        assert len(batch.names) + len(batch.errors) == len(source)
    except InputError as error:
        assert error.key.startswith(("source.", "unknown")) and str(error).endswith(".")


def test_a_cell_that_unpacks_to_far_more_is_refused_by_what_the_file_says(tmp_path, monkeypatch):
    monkeypatch.setattr("core.images.parquet.LARGEST", 2**20)
    file = table(tmp_path, image=pa.array([bytes(4 * 2**20)]))
    with pytest.raises(InputError, match="would unpack to far more bytes"):
        open_source(file)
