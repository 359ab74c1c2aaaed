"""Every corruption keeps the contract, and agrees with a slow implementation that was written from the published definition."""

import colorsys
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, stats

from benchmarks import plain_corruptions as plain
from core.corruptions import COMMON, CORRUPTIONS, EXTRA, SEVERITIES, corrupt, digital
from core.corruptions.blur import taken_from
from core.corruptions.common import gaussian, mirrored, motion, pad_mirrored, zoomed
from core.corruptions.digital import sampled
from core.corruptions.noise import counts
from core.corruptions.weather import clouds, frosts, water
from core.errors import InputError
from core.images.sources import open_source

PUBLISHED = tuple(plain.SMALL)  # in Hendrycks & Dietterich; any other has a test of its own
CERTAIN = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression", "gaussian_blur", "saturate"}  # nothing is drawn
# Published severities that are no ladder: at 32 the glass's reach stays and its Gaussian falls, frost darkens as it covers, the warp's map
# moves less as its field moves more, motion's third and fourth agree; saturation falls first and rises then; water turns to mud.
NO_LADDER = {"glass_blur", "frost", "elastic_transform", "saturate", "spatter"}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pixels(images):
    return (images * 255).round().byte().permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def toys():
    """Return (40, 3, 32, 32) float32 pictures, values k / 255."""
    source = open_source("toybox:test")
    drawn = [np.asarray(Image.fromarray(source[i].data).resize((32, 32), Image.Resampling.LANCZOS)) for i in range(40)]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def large():
    """Return (2, 3, 224, 224) float32 pictures, values k / 255."""
    source = open_source("toybox:test")
    drawn = [np.asarray(Image.fromarray(source[i].data).resize((224, 224), Image.Resampling.BICUBIC)) for i in range(2)]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 255


def test_the_table_is_in_the_papers_order():
    assert COMMON[0] == "gaussian_noise" and COMMON[-1] == "jpeg_compression"
    assert EXTRA[:4] == ("speckle_noise", "gaussian_blur", "spatter", "saturate")
    assert list(CORRUPTIONS)[:19] == list(plain.SMALL) == list(plain.LARGE)
    assert CORRUPTIONS["frost"].title == "Frost (procedural)"


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_contract(name, severity, toys):
    images = toys[:6]
    before = images.clone()
    found = corrupt(images, name, severity, generator=seeded(1))
    assert found.shape == images.shape and found.dtype == images.dtype and found.device == images.device
    assert torch.equal(images, before) and found.data_ptr() != images.data_ptr()
    assert found.min() >= 0 and found.max() <= 1 and torch.equal(found, (found * 255).round() / 255)
    assert not torch.equal(found, images)
    assert torch.equal(found, corrupt(images, name, severity, generator=seeded(1)))
    if name in PUBLISHED:
        assert torch.equal(found, corrupt(images, name, severity, generator=seeded(2))) == (name in CERTAIN)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_picture_does_not_depend_on_the_others(name, toys):
    images, other = toys[:3], toys[[0, 5, 6]]
    found = corrupt(images, name, 3, generator=seeded())
    assert torch.equal(found[0], corrupt(other, name, 3, generator=seeded())[0])
    if name in CERTAIN:
        alone = torch.cat([corrupt(images[i : i + 1], name, 3, generator=seeded()) for i in range(3)])
        assert (found - alone).abs().mean() < 1e-5  # a product of another shape may round otherwise


@pytest.mark.parametrize("size", [(20, 32), (5, 3), (1, 1), (70, 48)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_any_size(name, size):
    images = torch.rand(2, 3, *size, generator=seeded())
    for severity in (1, 3, 5):
        found = corrupt(images, name, severity, generator=seeded())
        assert found.shape == images.shape and found.isfinite().all() and found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_dtype_follows_the_pictures(name, dtype, toys):
    images = toys[:4].to(dtype)
    found = corrupt(images, name, 2, generator=seeded())
    assert found.dtype == dtype and found.isfinite().all()
    if name in CERTAIN and dtype == torch.float64:
        assert ((found - corrupt(toys[:4], name, 2, generator=seeded())).abs() < 1e-5).float().mean() > 0.95
    assert corrupt(images[:0], name, 2, generator=seeded()).shape == (0, 3, 32, 32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_another_device_gives_the_same_pictures(name, toys):
    found = corrupt(toys[:8].cuda(), name, 3, generator=seeded())
    assert found.is_cuda and (found.cpu() - corrupt(toys[:8], name, 3, generator=seeded())).abs().mean() < 0.5 / 255
    assert corrupt(toys[:8].cuda(), name, 3, generator=torch.Generator("cuda").manual_seed(0)).is_cuda


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_one_colour_and_the_ends_of_the_range_are_pictures_too(name):
    images = torch.tensor([0.0, 1.0, 0.4])[:, None, None, None].expand(3, 3, 32, 32)
    found = corrupt(images, name, 3, generator=seeded())
    assert found.isfinite().all() and found.min() >= 0 and found.max() <= 1
    if "blur" in name or name in ("contrast", "pixelate", "elastic_transform"):
        assert (found - images).abs().max() <= 1.001 / 255


@pytest.mark.parametrize("severity", [0, 6, -1, "3", 2.5, None, True])
def test_another_severity_is_an_error(severity, toys):
    with pytest.raises(InputError, match="from 1 to 5") as caught:
        corrupt(toys, "fog", severity, generator=seeded())
    assert caught.value.key == "corruption.severity"


def test_an_unknown_name_is_answered_with_the_known_ones(toys):
    with pytest.raises(InputError, match=r"no corruption named 'rain'; the known ones are brightness, color_quant, contrast, .*zoom_blur"):
        corrupt(toys, "rain", 1, generator=seeded())


@pytest.mark.parametrize("images", [torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(3, 8, 8), torch.zeros(2, 1, 8, 8)])
def test_what_is_no_picture_is_refused(images):
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\) float"):
        corrupt(images, "fog", 1, generator=seeded())


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan"), 200.0])
def test_values_outside_the_range_are_refused(value):
    with pytest.raises(ValueError, match="Divide uint8 pictures by 255"):
        corrupt(torch.full((1, 3, 8, 8), value), "fog", 1, generator=seeded())


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in NO_LADDER])
def test_a_higher_severity_changes_more(name, toys):
    changes = [(corrupt(toys, name, severity, generator=seeded()) - toys).abs().mean().item() for severity in SEVERITIES]
    steps = np.diff(changes)
    assert (steps >= 0 if name == "motion_blur" else steps > 0).all(), changes


# Against the slow implementation


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_mean_change_is_the_published_one(name, toys):
    images = toys.repeat({"spatter": 12, "elastic_transform": 6, "fog": 6}.get(name, 2), 1, 1, 1)  # as many as the rare and the coarse need
    for severity in SEVERITIES:
        rng = np.random.default_rng(severity)
        ours = (corrupt(images, name, severity, generator=seeded(severity)) - images).abs().mean().item() * 255
        theirs = np.mean([np.abs(plain.corrupt(p, name, severity, rng).astype(int) - p).mean() for p in pixels(images)])
        assert ours == pytest.approx(theirs, rel=0.1), severity


@pytest.mark.parametrize("name", sorted(CERTAIN))
def test_pixel_by_pixel(name, toys):
    for severity in SEVERITIES:
        ours = pixels(corrupt(toys[:12], name, severity, generator=None)).astype(int)
        theirs = np.stack([plain.corrupt(p, name, severity, None) for p in pixels(toys[:12])]).astype(int)
        # where a value falls on a whole number, the last bit of a sum decides which of two steps it is cut to
        assert np.abs(ours - theirs).max() <= 1 and (ours == theirs).mean() > 0.85, severity


@pytest.mark.parametrize("name", sorted(CERTAIN))
def test_pixel_by_pixel_at_224(name, large):
    for severity in (1, 5):
        ours = pixels(corrupt(large[:1], name, severity, generator=None)).astype(int)
        theirs = plain.corrupt(pixels(large)[0], name, severity, None).astype(int)
        assert np.abs(ours - theirs).max() <= 1 and (ours == theirs).mean() > 0.85, severity


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name not in CERTAIN])
def test_the_settings_for_224(name, large):
    severity, rng = 3, np.random.default_rng(0)
    images = large[:1].expand(2, -1, -1, -1)
    ours = (corrupt(images, name, severity, generator=seeded()) - images).abs().mean().item() * 255
    theirs = np.mean([np.abs(plain.corrupt(p, name, severity, rng).astype(int) - p).mean() for p in pixels(images)])
    assert ours == pytest.approx(theirs, rel=0.25)  # two pictures: enough to tell one table from another


@pytest.mark.parametrize(("name", "share"), [("impulse_noise", 0.07), ("gaussian_noise", 0.1), ("speckle_noise", 0.2), ("shot_noise", 50)])
def test_noise_has_its_distribution(name, share):
    grey = torch.full((60, 3, 32, 32), 102 / 255)
    noise = (corrupt(grey, name, 5, generator=seeded()) - grey + 0.5 / 255).double()  # cutting takes half a step
    if name == "impulse_noise":
        found = corrupt(grey, name, 5, generator=seeded())
        black, white = (found == 0).double().mean().item(), (found == 1).double().mean().item()
        assert black == pytest.approx(share / 2, rel=0.05) and white == pytest.approx(share / 2, rel=0.05)
        assert ((found[:, 0] == 0) & (found[:, 1] == 0)).double().mean() < 0.005  # each channel on its own
        return
    expected = {"gaussian_noise": share, "speckle_noise": 0.4 * share, "shot_noise": (0.4 / share) ** 0.5}[name]
    assert noise.std().item() == pytest.approx(expected, rel=0.02) and abs(noise.mean().item()) < 0.002
    columns = noise.transpose(0, 1).flatten(1)
    assert torch.corrcoef(columns).fill_diagonal_(0).abs().max() < 0.02


@pytest.mark.parametrize("photons", [500, 50, 3])
def test_the_table_of_counts_is_poissons(photons):
    table, columns = counts(photons)
    other, own = np.divmod(table.reshape(256, columns).astype(float), 1)
    chances = np.where(other == np.arange(columns), 1, own)  # a column that is its own alone says so by any number
    for level in (0, 1, 17, 128, 255):
        found = np.bincount(other[level].astype(int), 1 - chances[level], columns) + chances[level]
        assert np.abs(found / columns - stats.poisson.pmf(np.arange(columns), photons * level / 255)).max() < 1e-6


@pytest.mark.parametrize("grey", [0, 3, 102, 255])
def test_photons_are_counted_one_by_one(grey):
    found = corrupt(torch.full((60, 3, 32, 32), grey / 255, dtype=torch.float64), "shot_noise", 5, generator=seeded()) * 255
    kept = stats.poisson.pmf(np.arange(50), 50 * grey / 255)
    steps = np.floor(np.minimum(np.arange(50) / 50, 1) * 255 + 1e-3)
    for step, chance in zip(steps[:40], kept[:40], strict=True):
        if chance > 1e-3:
            assert (found.round() == step).double().mean().item() == pytest.approx(chance, rel=0.1)


@pytest.mark.parametrize(
    ("sigma", "edge", "truncate"),
    [(0.25, "nearest", 4.0), (1, "nearest", 4.0), (2.7, "mirror", 2.0), (40, "mirror", 3.0), (6.4, "reflect", 3.0), (40, "reflect", 3.0)],
)
def test_the_gaussian_is_scipys(sigma, edge, truncate):
    images = torch.rand(2, 3, 20, 33, generator=seeded(), dtype=torch.float64)
    expected = ndimage.gaussian_filter(images.numpy(), (0, 0, sigma, sigma), mode=edge, truncate=truncate)
    assert np.allclose(gaussian(images, sigma, edge=edge, truncate=truncate).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.1, 1.25, 2.25, 4.5])
def test_the_zoom_is_scipys(factor):
    images = torch.rand(1, 3, 32, 32, generator=seeded(), dtype=torch.float64)
    assert np.allclose(zoomed(images, factor)[0].permute(1, 2, 0).numpy(), plain.magnified(images[0].permute(1, 2, 0).numpy(), factor), atol=1e-9)


@pytest.mark.parametrize(("radius", "sigma"), [(6, 1), (9, 2.5), (15, 12)])
def test_motion_follows_its_ray(radius, sigma, toys):
    angles = torch.tensor([-45.0, 0.0, 37.0, -90.0, -135.0, 3.0, 37.0, 45.0])
    ours = pixels(motion(toys[:8], angles, radius=radius, sigma=sigma)).astype(int)
    theirs = np.stack([plain.ray(p, radius, sigma, a) for p, a in zip(pixels(toys[:8]), angles.tolist(), strict=True)])
    assert np.abs(ours - theirs).max() <= 1 and (ours == theirs).mean() > 0.99


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_glass_overwrites_pixel_after_pixel(reach):
    offsets = torch.randint(-reach, reach, (3, 2, 17, 23), generator=seeded())
    picture = np.arange(17 * 23).reshape(17, 23)
    ours = taken_from(*offsets.unbind(1), reach).view(3, 17, 23).numpy()
    assert np.array_equal(ours, np.stack([plain.overwritten(picture, o.numpy(), reach) for o in offsets]))


def test_pillows_boxes_at_odd_sizes():
    images = torch.randint(0, 256, (3, 3, 37, 50), generator=seeded()).float() / 255
    for severity in SEVERITIES:
        ours = pixels(corrupt(images, "pixelate", severity, generator=None))
        assert np.array_equal(ours, np.stack([plain.corrupt(p, "pixelate", severity, None) for p in pixels(images)]))


def test_jpeg_is_pillows(toys):
    buffer = io.BytesIO()
    Image.fromarray(pixels(toys)[0]).save(buffer, "JPEG", quality=40)
    ours = pixels(corrupt(toys[:1], "jpeg_compression", 5, generator=None))[0].astype(int)
    theirs = np.asarray(Image.open(buffer)).astype(int)
    assert np.array_equal(ours, theirs)


def test_few_pictures_and_many_are_saved_alike(toys):
    many = toys[torch.arange(digital.FEW + 1) % len(toys)]
    few = corrupt(many[:4], "jpeg_compression", 3, generator=None)
    assert torch.equal(corrupt(many, "jpeg_compression", 3, generator=None)[:4], few)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_hsv_is_that_of_the_standard_library(severity):
    images = torch.randint(0, 256, (1, 3, 8, 8), generator=seeded()).double() / 255
    images[0, :, 0, :4] = torch.tensor([0.0, 0.2, 1.0, 0.6])  # greys
    more, (factor, added) = plain.SMALL["brightness"][severity - 1], plain.SMALL["saturate"][severity - 1]
    bright, vivid = (corrupt(images, name, severity, generator=None)[0] for name in ("brightness", "saturate"))
    for y in range(8):
        for x in range(8):
            hue, saturation, value = colorsys.rgb_to_hsv(*images[0, :, y, x].tolist())
            lit = colorsys.hsv_to_rgb(hue, saturation, min(1, value + more))
            coloured = colorsys.hsv_to_rgb(hue, min(1, saturation * factor + added), value)
            for ours, theirs in ((bright, lit), (vivid, coloured)):
                assert ((ours[:, y, x] - torch.tensor(theirs, dtype=torch.float64)) * 255).clamp(-1.01, 0.01).abs().max() <= 1.01


def test_clouds_are_those_of_the_slow_loop():
    for side, decay in ((32, 3), (32, 1.75), (64, 1.4)):
        ours = clouds(torch.zeros(200, 1), side, decay, seeded())
        rng = np.random.default_rng(0)
        theirs = np.stack([plain.plasma(side, decay, rng) for _ in range(200)])
        assert ours.amin((1, 2)).eq(0).all() and ours.amax((1, 2)).eq(1).all()
        assert ours.mean().item() == pytest.approx(theirs.mean(), abs=0.03)
        assert ours.std((1, 2)).mean().item() == pytest.approx(theirs.std((1, 2)).mean(), rel=0.1)
        for measure in (lambda x: np.abs(np.diff(x, axis=2)).mean(), lambda x: np.abs(x[:, :, 0] - x[:, :, -1]).mean()):  # roughness, the seam
            assert measure(ours.numpy()) == pytest.approx(measure(theirs), rel=0.1)


def test_warps_read_between_pixels_as_scipy():
    images = torch.rand(1, 3, 12, 9, generator=seeded(), dtype=torch.float64)
    places = torch.rand(1, 12, 9, 2, generator=seeded(), dtype=torch.float64) * 30 - 10
    for corners, mode in ((True, "mirror"), (False, "reflect")):
        x, y = places[0].numpy().transpose(2, 0, 1)
        expected = np.stack([ndimage.map_coordinates(channel, (y, x), order=1, mode=mode) for channel in images[0].numpy()])
        assert np.allclose(sampled(images, places, corners=corners)[0].numpy(), expected, atol=1e-9)


@pytest.mark.parametrize(("deviation", "sigma"), [(0.1, 0.7), (0.1, 0.8), (0.3, 1), (0.3, 3)])
def test_water_is_shaded_as_by_the_slow_loop(deviation, sigma):
    layer = gaussian(0.65 + deviation * torch.randn(12, 40, 40, generator=seeded(), dtype=torch.float64), sigma)
    layer = layer.masked_fill(layer < 0.69, 0)
    theirs = np.stack([plain.water(one) for one in layer.numpy()])
    assert np.isclose(water(layer).numpy(), theirs, atol=1e-6).mean() > 0.999
    assert torch.equal(water(torch.zeros(2, 9, 9)), torch.zeros(2, 9, 9))


def test_frost_is_drawn_once_with_the_photographs_statistics():
    panes = frosts()
    assert panes is frosts() and panes.shape == (5, 3, 512, 512) and frosts(shrunk=True).shape == (5, 3, 102, 102)
    assert panes.mean((2, 3))[0].tolist() == pytest.approx([0.30, 0.58, 0.65], abs=0.03)
    assert panes.mean((2, 3))[3].tolist() == pytest.approx([0.54, 0.60, 0.65], abs=0.03)
    assert panes.mean(1).flatten(1).std(1).tolist() == pytest.approx([0.17, 0.09, 0.09, 0.12, 0.17], rel=0.15)


def test_mirrors_do_not_repeat_the_border():
    assert mirrored(np.arange(-4, 8), 4).tolist() == [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    images = torch.rand(1, 2, 5, 5, generator=seeded())
    assert torch.equal(pad_mirrored(images, 7)[..., 3:-3, 3:-3], pad_mirrored(images, 4))


# Against pictures that others have corrupted


@pytest.fixture(scope="module")
def stream(data):
    """Return {domain: (clean, corrupted)}, each (N, 3, 32, 32) float, of 200 pictures a domain."""
    file = data / "stream_corrupted.parquet"
    if not file.is_file():
        pytest.skip("no stream of corrupted pictures here")
    clean, corrupted = open_source(data / "cifar10_test.parquet"), open_source(file)

    def read(source, start):
        arrays = [np.asarray(source[start + i].open()) for i in range(200)]
        return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255

    first = read(clean, 0)
    return {corrupted[start].domain: (first, read(corrupted, start)) for start in range(0, len(corrupted), 800)}


@pytest.mark.parametrize("name", ["contrast", "pixelate", "brightness", "jpeg_compression"])
def test_certain_corruptions_are_the_streams(name, stream):
    clean, theirs = stream[name]
    difference = (corrupt(clean, name, 5, generator=None) - theirs).abs() * 255
    assert difference.mean() < 1 and (difference < 0.5).float().mean() > 0.9


def test_gaussian_noise_is_the_streams_in_its_statistics(stream):
    clean, theirs = stream["gaussian_noise"]
    ours = corrupt(clean, "gaussian_noise", 5, generator=seeded())
    for measure in (lambda x: (x - clean).abs().mean(), lambda x: (x - clean).std(), lambda x: (x == 0).float().mean(), lambda x: x.mean()):
        assert measure(ours).item() == pytest.approx(measure(theirs).item(), rel=0.03)
