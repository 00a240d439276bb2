from __future__ import annotations

import concurrent.futures
import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import OptionError, PhotoError
from seewhy.maps import heatmap_on_photo, scale_map
from seewhy.photos.fitting import Fit, fit_photo
from seewhy.photos.photo import Placement
from seewhy.photos.reading import Photo, find_photos, read_photo

ARROW = np.array(
    [
        [[255, 0, 0], [0, 255, 0], [0, 0, 255]],
        [[0, 0, 0], [255, 255, 255], [128, 64, 32]],
    ],
    dtype=np.uint8,
)
"""2×3, every pixel another: no flip or turn of it looks like it."""


def noise(height, width, channels=3):
    shape = (height, width, channels) if channels else (height, width)
    pixels = np.random.default_rng(height * 1000 + width).integers(0, 256, shape, dtype=np.uint8)
    pixels.flags.writeable = False
    return pixels


def file_of(image, path, **settings):
    image.save(path, **settings)
    return path


# Reading files


def test_a_file_is_read_as_rgb_and_named_by_itself(tmp_path):
    path = file_of(Image.fromarray(ARROW), tmp_path / "arrow.png")
    photo = read_photo(path)
    assert np.array_equal(photo.pixels, ARROW)
    assert photo.pixels.dtype == np.uint8
    assert (photo.name, photo.path) == ("arrow.png", path)
    assert np.array_equal(read_photo(str(path)).pixels, ARROW)
    assert read_photo(path, name="mine").name == "mine"


def test_an_open_file_is_read_from_its_start_and_stays_open(tmp_path):
    path = file_of(Image.fromarray(ARROW), tmp_path / "arrow.png")
    with path.open("rb") as file:
        file.seek(5)
        photo = read_photo(file)
        assert not file.closed
    assert np.array_equal(photo.pixels, ARROW)
    assert photo.name == "arrow.png"
    in_memory = read_photo(io.BytesIO(path.read_bytes()))
    assert np.array_equal(in_memory.pixels, ARROW)
    assert in_memory.name == "photo"


def test_a_photo_is_returned_as_it_is_and_takes_a_new_name():
    photo = read_photo(ARROW, name="arrow")
    assert read_photo(photo) is photo
    assert read_photo(photo, name="other").name == "other"


def test_pixels_cannot_be_written_to_and_the_array_that_came_in_still_can():
    array = ARROW.copy()
    photo = read_photo(array)
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0] = 0
    array[0, 0] = 7
    assert photo.pixels[0, 0].tolist() == [255, 0, 0]


ORIENTED = {  # what the tag says about rows and columns, from the EXIF standard's table
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels.transpose(1, 0, 2)[:, ::-1],
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: pixels.transpose(1, 0, 2)[::-1],
}


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_photos_are_upright_whatever_their_exif_tag(tmp_path, orientation, ending):
    exif = Image.Exif()
    exif[274] = orientation
    path = file_of(Image.fromarray(ARROW), tmp_path / f"turned{ending}", exif=exif)
    assert np.array_equal(read_photo(path).pixels, ORIENTED[orientation](ARROW))


def test_a_pil_image_is_upright_too_and_stays_as_it_was(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = file_of(Image.fromarray(ARROW), tmp_path / "turned.png", exif=exif)
    with Image.open(path) as image:
        photo = read_photo(image)
        assert image.size == (3, 2)
        assert image.getexif()[274] == 6
    assert np.array_equal(photo.pixels, ORIENTED[6](ARROW))
    assert photo.name == "turned.png"


def test_broken_exif_is_passed_over_in_silence(tmp_path):
    path = tmp_path / "odd.jpg"
    Image.fromarray(ARROW).save(path, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\xff\x01\x12")
    assert read_photo(path).pixels.shape == (2, 3, 3)


def test_grey_one_bit_and_palette_become_rgb(tmp_path):
    grey = Image.fromarray(np.array([[0, 100], [200, 255]], dtype=np.uint8))
    path = file_of(grey, tmp_path / "grey.png")
    assert read_photo(path).pixels[..., 1].tolist() == [[0, 100], [200, 255]]
    one_bit = grey.point(lambda value: 255 * (value > 128)).convert("1")
    path = file_of(one_bit, tmp_path / "one-bit.png")
    assert read_photo(path).pixels[..., 2].tolist() == [[0, 0], [255, 255]]
    path = file_of(Image.fromarray(ARROW).quantize(6), tmp_path / "palette.png")
    assert np.abs(read_photo(path).pixels.astype(int) - ARROW).max() <= 4


def test_transparency_lies_over_white(tmp_path):
    rgba = np.array([[[200, 0, 0, 255], [200, 0, 0, 0], [0, 0, 0, 51]]], dtype=np.uint8)
    wanted = [[200, 0, 0], [255, 255, 255], [204, 204, 204]]  # 255 · (1 − 51 / 255) = 204
    path = file_of(Image.fromarray(rgba), tmp_path / "rgba.png")
    assert read_photo(path).pixels[0].tolist() == wanted
    assert read_photo(rgba).pixels[0].tolist() == wanted
    grey = Image.merge("LA", [Image.new("L", (1, 1), 0), Image.new("L", (1, 1), 51)])
    path = file_of(grey, tmp_path / "la.png")
    assert read_photo(path).pixels[0].tolist() == [[204, 204, 204]]


def test_a_transparent_palette_entry_lies_over_white(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    for number, transparency in enumerate((0, b"\x00\xff")):
        path = file_of(palette, tmp_path / f"p{number}.png", transparency=transparency)
        assert read_photo(path).pixels[0].tolist() == [[255, 255, 255], [40, 50, 60]]


def test_a_colour_that_stands_for_transparent_lies_over_white(tmp_path):
    path = file_of(Image.fromarray(ARROW), tmp_path / "key.png", transparency=(255, 0, 0))
    assert read_photo(path).pixels[0, 0].tolist() == [255, 255, 255]
    assert read_photo(path).pixels[0, 1].tolist() == [0, 255, 0]


def test_cmyk_becomes_rgb(tmp_path):
    path = file_of(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), tmp_path / "c.jpg", quality=100)
    assert np.abs(read_photo(path).pixels.astype(int) - [255, 0, 0]).max() <= 2


def test_lab_becomes_rgb(tmp_path):
    path = file_of(Image.new("LAB", (4, 4), (255, 128, 128)), tmp_path / "lab.tif")
    assert np.abs(read_photo(path).pixels.astype(int) - 255).max() <= 1


def test_sixteen_bit_grey_is_scaled_and_not_cut_off(tmp_path):
    values = np.array([[0, 257, 32896], [65535, 256, 100]], dtype=np.uint16)
    wanted = [[0, 1, 128], [255, 1, 0]]
    image = Image.fromarray(values)
    assert image.mode.startswith("I;16")
    for ending in (".png", ".tif"):
        path = file_of(image, tmp_path / f"deep{ending}")
        assert read_photo(path).pixels[..., 0].tolist() == wanted
    assert read_photo(values).pixels[..., 0].tolist() == wanted
    as_integers = Image.fromarray(values.astype(np.int32))
    assert as_integers.mode == "I"
    assert read_photo(as_integers).pixels[..., 0].tolist() == wanted


def test_thirty_two_bit_grey_beyond_sixteen_bits_is_refused():
    image = Image.fromarray(np.array([[-5, 70000]], dtype=np.int32))
    with pytest.raises(PhotoError) as error:
        read_photo(image, name="deep")
    assert str(error.value) == (
        "'deep' contains grey values from -5 to 70000; 16-bit grey is in 0..65535. "
        "Scale it, and save it as 8-bit or 16-bit grey."
    )


def test_a_file_of_floats_lies_in_zero_to_one(tmp_path):
    path = file_of(Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), tmp_path / "f.tif")
    assert read_photo(path).pixels[0, :, 0].tolist() == [0, 128, 255]


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    for ending in (".gif", ".png", ".webp"):
        settings = {"lossless": True} if ending == ".webp" else {}
        path = tmp_path / f"moving{ending}"
        frames[0].save(path, save_all=True, append_images=frames[1:], **settings)
        assert read_photo(path).pixels[0, 0].tolist() == [255, 0, 0]


# Files that are no photo


def assert_refused(source, message, **names):
    with pytest.raises(PhotoError) as error:
        read_photo(source, **names)
    assert str(error.value) == message


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "cat.jpg"
    assert_refused(path, f"There is no file '{path}'. Check the path and its spelling.")


def test_a_folder_is_no_photo(tmp_path):
    assert_refused(
        tmp_path,
        f"'{tmp_path}' is a folder, not a photo. Give the photos in it: find_photos lists them.",
    )


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    assert_refused(path, f"'{path}' is empty (0 bytes). Get the file again.")


def test_a_file_that_is_no_image_is_said_to_be_none(tmp_path):
    path = tmp_path / "text.jpg"
    path.write_text("this is no photo")
    message = (
        f"'{path}' is not an image in a format that seewhy reads. Give a JPEG, PNG, WebP, AVIF, "
        "TIFF, BMP, GIF, JPEG 2000, TGA or PPM file; convert others (HEIC) to JPEG first."
    )
    assert_refused(path, message)
    assert_refused(io.BytesIO(b"neither"), message.replace(str(path), "upload"), name="upload")


def test_a_path_through_a_file_is_refused_with_the_systems_reason(tmp_path):
    path = tmp_path / "a.png"
    path.touch()
    assert_refused(path / "b.png", f"'{path / 'b.png'}' cannot be read: Not a directory.")


@pytest.mark.parametrize("ending", [".jpg", ".png", ".gif", ".webp", ".bmp", ".tif"])
def test_a_truncated_file_is_refused_wherever_it_was_cut(tmp_path, ending):
    whole = file_of(Image.fromarray(noise(40, 60)), tmp_path / f"whole{ending}").read_bytes()
    path = tmp_path / f"cut{ending}"
    for part in (0.01, 0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(PhotoError) as error:
            read_photo(path)
        assert str(error.value).startswith(f"'{path}' is ")
        assert "\n" not in str(error.value)


def test_what_is_wrong_with_a_truncated_jpeg_is_said(tmp_path):
    path = file_of(Image.fromarray(noise(40, 60)), tmp_path / "cut.jpg")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(PhotoError) as error:
        read_photo(path)
    reason = str(error.value.__cause__)
    assert reason.startswith("image file is truncated")
    assert str(error.value) == (
        f"'{path}' is damaged or truncated: {reason}. "
        "Get the file again, or save it again with an image editor."
    )


def test_bytes_changed_at_random_never_raise_anything_else(tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "damaged"
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"):
        content = io.BytesIO()
        Image.fromarray(noise(20, 30)).save(content, kind)
        whole = np.frombuffer(content.getvalue(), np.uint8)
        for _ in range(40):
            damaged = whole.copy()
            where = generator.integers(0, min(len(whole), 200), 6)
            damaged[where] = generator.integers(0, 256, 6)
            path.write_bytes(damaged.tobytes())
            with warnings.catch_warnings(), contextlib.suppress(PhotoError):
                warnings.simplefilter("ignore")  # Pillow's, of odd TIFF tags
                assert read_photo(path).pixels.shape[2] == 3


def bomb(path, width, height):
    """A PNG of a few bytes that promises very many pixels."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))


@pytest.mark.parametrize("width", [10_000, 30_000])  # Pillow only warns of the first
def test_a_decompression_bomb_is_refused_unread(tmp_path, width):
    path = tmp_path / "bomb.png"
    bomb(path, width, 10_000)
    limit = Image.MAX_IMAGE_PIXELS * (2 if width == 30_000 else 1)
    assert_refused(
        path,
        f"'{path}' is too large to be read safely: Image size ({width * 10_000} pixels) exceeds "
        f"limit of {limit} pixels. "
        "Shrink it, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust the file.",
    )


def test_a_web_address_is_refused():
    message = (
        "'https://a.b/cat.jpg' is a web address; seewhy reads files only. Download the photo first."
    )
    assert_refused("https://a.b/cat.jpg", message)
    with pytest.raises(PhotoError) as error:
        find_photos(["cat.jpg", "https://a.b/cat.jpg"])
    assert str(error.value) == message


def test_a_closed_image_is_refused(tmp_path):
    path = file_of(Image.fromarray(ARROW), tmp_path / "arrow.png")
    with Image.open(path) as image:
        pass
    assert_refused(
        image,
        "'arrow.png' is damaged or truncated: it was closed before it was read. "
        "Get the file again, or save it again with an image editor.",
    )


def test_something_else_is_refused():
    assert_refused(
        7,
        "A photo cannot be read from 7, of type int. "
        "Give a path, an open binary file, a PIL image or an array.",
    )


# Arrays


def test_arrays_of_every_kind_that_has_a_clear_meaning_are_read():
    grey = ARROW[..., 0]
    repeated = np.repeat(grey[..., None], 3, axis=2)
    assert np.array_equal(read_photo(grey).pixels, repeated)
    assert np.array_equal(read_photo(grey[..., None]).pixels, repeated)
    for kind in (np.float16, np.float32, np.float64):
        assert np.array_equal(read_photo((ARROW / 255).astype(kind)).pixels, ARROW)
    assert np.array_equal(read_photo(ARROW.astype(np.uint16) * 257).pixels, ARROW)
    assert read_photo(ARROW).name == "photo"


def test_anything_that_turns_into_an_array_is_read():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return ARROW

    assert np.array_equal(read_photo(Tensor()).pixels, ARROW)


def test_what_refuses_to_turn_into_an_array_says_why():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("it lies on another device")

    assert_refused(
        Tensor(),
        "'photo', a Tensor, cannot be turned into an array: it lies on another device",
    )


def test_floats_outside_of_zero_to_one_are_refused_and_rounding_is_not():
    advice = "Divide by 255, undo the preprocessing, or give uint8."
    assert_refused(
        np.array([[0.0, 250.0]]),
        "The array 'photo' contains floats from 0 to 250; floats of a photo are in 0..1. " + advice,
    )
    assert_refused(
        np.array([[-2.125, 1.0]], dtype=np.float32),
        "The array 'it' contains floats from -2.125 to 1; floats of a photo are in 0..1. " + advice,
        name="it",
    )
    assert_refused(
        np.array([[np.nan, 1.0]]),
        "The array 'photo' contains floats from nan to nan; floats of a photo are in 0..1. "
        + advice,
    )
    assert read_photo(np.array([[-1e-9, 1 + 1e-7]])).pixels[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((2, 5, 6, 3), "Of a batch, give the photos one by one: list(array)."),
        ((3, 5, 6), "Move the channels last: array.transpose(1, 2, 0)."),
        ((5, 6, 2), "Give 1, 3 (RGB) or 4 (RGBA) channels, last."),
        ((0, 6, 3), "Give 1, 3 (RGB) or 4 (RGBA) channels, last."),
        ((6,), "Give 1, 3 (RGB) or 4 (RGBA) channels, last."),
    ],
)
def test_arrays_of_another_shape_are_refused_with_advice(shape, advice):
    assert_refused(
        np.zeros(shape, np.uint8),
        f"The array 'photo' has the shape {shape}; photos are (height, width, 3), or "
        f"(height, width) for grey. {advice}",
    )


@pytest.mark.parametrize("kind", ["int64", "int16", "bool", "complex128"])
def test_arrays_of_another_type_are_refused(kind):
    assert_refused(
        np.zeros((4, 4, 3), kind),
        f"The array 'photo' has values of type {kind}. Give uint8 in 0..255, uint16 in 0..65535, "
        "or floats in 0..1.",
    )


# Finding


def test_a_folder_stands_for_its_own_photos_by_name(tmp_path):
    for name in ("b.JPG", "a.png", "c.txt", ".hidden.png", "._a.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "deep.png").touch()
    assert find_photos(tmp_path) == [tmp_path / "a.png", tmp_path / "b.JPG"]


def test_patterns_stand_for_what_they_match_and_the_order_is_that_of_the_sources(tmp_path):
    (tmp_path / "sub").mkdir()
    files = [tmp_path / name for name in ("1.jpg", "2.jpg", "3.png", "sub/4.jpg")]
    for file in files:
        file.touch()
    assert find_photos([files[2], f"{tmp_path}/*.jpg"]) == [files[2], files[0], files[1]]
    assert find_photos(f"{tmp_path}/**/*.jpg") == [files[0], files[1], files[3]]
    assert find_photos(f"{tmp_path}/*") == files[:3]


def test_patterns_of_all_sub_folders_go_into_each_folder_once(tmp_path):
    """Three links upwards: followed for ever, there would be more paths than anybody can list."""
    (tmp_path / "in" / "side").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for name in ("in/1.jpg", "in/side/2.jpg", "elsewhere/3.jpg", "in/side/[a]4.jpg"):
        (tmp_path / name).touch()
    for name, goal in (("up", ".."), ("side/up", "../.."), ("side/self", "."), ("lost", "lost")):
        (tmp_path / "in" / name).symlink_to(goal)
    (tmp_path / "in" / "a-link").symlink_to("side")
    (tmp_path / "in" / "over").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / ".hidden").mkdir()
    (tmp_path / "in" / ".hidden" / "5.jpg").touch()
    inside = [tmp_path / "in" / name for name in ("1.jpg", "side/2.jpg", "side/[a]4.jpg")]
    found = find_photos(f"{tmp_path}/in/**/*.jpg")
    assert found == [inside[0], tmp_path / "in" / "over" / "3.jpg", *inside[1:]]
    twice = find_photos(f"{tmp_path}/in/**/side/**/*.jpg")  # by side/up, all is under side
    assert sorted(path.resolve() for path in twice) == sorted(path.resolve() for path in found)
    assert find_photos(f"{tmp_path}/in/**") == found


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path):
    path = tmp_path / "cat[1].jpg"
    path.touch()
    assert find_photos(str(path)) == [path]


def test_objects_and_missing_files_are_passed_on(tmp_path):
    image = Image.fromarray(ARROW)
    photo = read_photo(ARROW)
    file = io.BytesIO()
    assert find_photos([image, photo, file]) == [image, photo, file]
    assert find_photos(tmp_path / "missing.jpg") == [tmp_path / "missing.jpg"]
    for one in (image, photo, file, ARROW):
        found = find_photos(one)
        assert len(found) == 1
        assert found[0] is one


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    file_of(Image.fromarray(ARROW), tmp_path / "arrow.png")
    assert find_photos("~/arrow.png") == [tmp_path / "arrow.png"]
    assert np.array_equal(read_photo("~/arrow.png").pixels, ARROW)


def test_where_there_is_no_photo_it_is_said(tmp_path):
    for sources, message in (
        (
            tmp_path,
            f"The folder '{tmp_path}' contains no photo. Name another one; for photos in its "
            f"sub-folders, give the pattern '{tmp_path}/**/*.jpg'.",
        ),
        (
            f"{tmp_path}/*.jpg",
            f"No file matches '{tmp_path}/*.jpg'. Check the folder and the extension.",
        ),
        ([], "No photo was given. Name at least one file, folder or pattern."),
    ):
        with pytest.raises(PhotoError) as error:
            find_photos(sources)
        assert str(error.value) == message


# Fitting


def torchvision_by_hand(pixels, resize, crop, resample):
    """Resize(resize) and CenterCrop(crop), from torchvision's documentation.

    "If size is an int, the smaller edge will be matched to this number", the longer one to
    int(size · long / short); "if image size is smaller than output size along any edge, image is
    padded with 0 and then center cropped", from int(round((h − crop) / 2)).
    """
    height, width = pixels.shape[:2]
    if height <= width:
        resized = (int(resize * width / height), resize)
    else:
        resized = (resize, int(resize * height / width))
    image = Image.fromarray(pixels).resize(resized, resample)
    padded_size = (max(resized[0], crop[1]), max(resized[1], crop[0]))
    padded = Image.new("RGB", padded_size)
    padded.paste(image, ((padded_size[0] - resized[0]) // 2, (padded_size[1] - resized[1]) // 2))
    top = round((padded_size[1] - crop[0]) / 2)
    left = round((padded_size[0] - crop[1]) / 2)
    return np.asarray(padded.crop((left, top, left + crop[1], top + crop[0])))


SIZES = [(300, 451), (451, 300), (97, 97), (50, 333), (224, 224), (231, 229), (19, 31)]
CROPS = [(256, (224, 224)), (232, (224, 224)), (229, (229, 229)), (100, (64, 91)), (40, (51, 46))]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("resize", "crop"), CROPS)
def test_a_crop_is_torchvisions_to_the_last_bit(size, resize, crop):
    photo = Photo(noise(*size))
    for name, resample in (
        ("bilinear", Image.Resampling.BILINEAR),
        ("bicubic", Image.Resampling.BICUBIC),
    ):
        fitted, _ = fit_photo(photo, Fit(crop, "crop", resize, name))
        assert np.array_equal(fitted, torchvision_by_hand(photo.pixels, resize, crop, resample))


def test_a_crop_is_what_torchvision_itself_returns():
    pytest.importorskip("torch")
    from tests.torchvision_operators import declare_missing_operators

    declare_missing_operators()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's own, of what it deprecates
        transforms = pytest.importorskip("torchvision.transforms")
    modes = transforms.InterpolationMode
    for size in SIZES:
        photo = Photo(noise(*size))
        for resize, crop in CROPS:
            for name, mode in (("bilinear", modes.BILINEAR), ("bicubic", modes.BICUBIC)):
                theirs = transforms.CenterCrop(crop)(
                    transforms.Resize(resize, mode)(Image.fromarray(photo.pixels))
                )
                fitted, _ = fit_photo(photo, Fit(crop, "crop", resize, name))
                assert np.array_equal(fitted, np.asarray(theirs))


def test_stretching_is_pillows_bilinear_of_the_whole_photo():
    photo = Photo(noise(30, 47))
    fitted, placement = fit_photo(photo, Fit((16, 12)))
    wanted = Image.fromarray(photo.pixels).resize((12, 16), Image.Resampling.BILINEAR)
    assert np.array_equal(fitted, np.asarray(wanted))
    assert placement == Placement((0.0, 0.0, 47.0, 30.0))


def test_a_photo_that_fits_already_comes_back_unchanged_and_writable():
    photo = Photo(noise(16, 12))
    for fit in (Fit((16, 12)), Fit((16, 12), "crop"), Fit(None)):
        fitted, placement = fit_photo(photo, fit)
        assert np.array_equal(fitted, photo.pixels)
        assert placement == Placement((0.0, 0.0, 12.0, 16.0))
        fitted[0] = 0


def test_a_crop_without_a_resize_is_the_largest_of_its_shape():
    for size in SIZES:
        for crop in ((64, 64), (33, 71), (71, 33)):
            photo = Photo(np.full((*size, 3), 9, np.uint8))
            fitted, placement = fit_photo(photo, Fit(crop, "crop"))
            assert fitted.shape == (*crop, 3)
            assert fitted.min() == 9  # nothing was padded
            x0, y0, x1, y1 = placement.box
            # One of the sides is used up, but for less than one pixel of the resized photo.
            assert min(size[1] - (x1 - x0), size[0] - (y1 - y0)) < max(size) / min(crop)


def test_the_placement_of_a_crop_is_where_the_pixels_come_from():
    # 100×200 to a shorter side of 50 is 50×100; 40×40 of its centre are 30..70 and 5..45, doubled.
    _, placement = fit_photo(Photo(noise(100, 200)), Fit((40, 40), "crop", 50))
    assert placement == Placement((60.0, 10.0, 140.0, 90.0))


def test_the_placement_of_a_padded_crop_reaches_beyond_the_photo():
    # 10×20 stays 10×20; 30×16 of it takes columns 2..18, and 10 black rows above and below.
    fitted, placement = fit_photo(Photo(noise(10, 20)), Fit((30, 16), "crop", 10))
    assert placement == Placement((2.0, -10.0, 18.0, 20.0))
    assert np.array_equal(fitted[10:20], noise(10, 20)[:, 2:18])
    assert not fitted[:10].any()
    assert not fitted[20:].any()


def test_a_network_of_any_size_sees_the_photo_at_its_own_size_or_smaller():
    assert fit_photo(Photo(noise(100, 200)), Fit(None))[0].shape == (100, 200, 3)
    assert fit_photo(Photo(noise(100, 200)), Fit(None, resize=50))[0].shape == (50, 100, 3)
    assert fit_photo(Photo(noise(100, 200)), Fit(None, resize=500))[0].shape == (100, 200, 3)


FITS = [
    Fit((224, 224)),
    Fit((64, 91)),
    Fit((224, 224), "crop", 256),
    Fit((64, 91), "crop"),
    Fit((200, 120), "crop", 100),
    Fit(None, resize=77),
]


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(300, 451), (463, 301), (200, 200)])
def test_a_spot_that_the_network_sees_comes_back_to_the_spot_of_the_photo(fit, size):
    # A disc in the photo, its brightness as the map: the map's centre of mass must be the disc's.
    rows, columns = np.mgrid[: size[0], : size[1]]
    row, column = size[0] * 11 // 20, size[1] * 9 // 20
    disc = (rows - row) ** 2 + (columns - column) ** 2 <= 144
    photo = read_photo(disc * np.uint8(255))
    fitted, placement = fit_photo(photo, fit)
    map_of_disc = fitted[..., 0].astype(np.float32)
    heat = np.nan_to_num(scale_map(heatmap_on_photo(map_of_disc, placement, size)))
    assert abs((heat * rows).sum() / heat.sum() - row) < 0.25
    assert abs((heat * columns).sum() / heat.sum() - column) < 0.25
    assert heat[row, column] > 0.99


def test_a_photo_too_long_and_thin_for_a_crop_is_refused_and_can_be_stretched():
    photo = Photo(np.zeros((1, 100_000, 3), np.uint8), "line.png")
    with pytest.raises(PhotoError) as error:
        fit_photo(photo, Fit((224, 224), "crop", 256))
    assert str(error.value) == (
        "'line.png' is 1×100000 (height × width), too long and thin to be resized to a shorter "
        "side of 256. Cut it, or stretch it: mode='stretch'."
    )
    assert fit_photo(photo, Fit((224, 224)))[0].shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"size": (0, 5)},
            "The input size 0×5 is empty. Give a height and width of 1 or more.",
        ),
        (
            {"size": (5, 5), "mode": "pad"},
            "A photo cannot be fitted by 'pad'. Choose 'stretch' or 'crop'.",
        ),
        (
            {"size": (5, 5), "mode": "crop", "resize": 0},
            "The shorter side cannot be resized to 0. Give 1 or more pixels.",
        ),
        (
            {"size": (5, 5), "resize": 8},
            "The option resize=8 has no meaning for mode='stretch', which goes to the input size "
            "at once. Leave it out, or choose mode='crop'.",
        ),
        (
            {"size": (5, 5), "interpolation": "cubic"},
            "A photo cannot be resized by 'cubic'. The nearest names are 'bicubic'. "
            "Choose one of nearest, box, bilinear, hamming, bicubic, lanczos.",
        ),
    ],
)
def test_a_fit_that_cannot_be_is_refused(settings, message):
    with pytest.raises(OptionError) as error:
        Fit(**settings)
    assert str(error.value) == message


def test_photos_name_themselves_without_their_pixels():
    assert repr(Photo(ARROW, "a.png", Path("x/a.png"))) == (
        f"Photo(name='a.png', path={Path('x/a.png')!r})"
    )


def test_reading_in_threads_leaves_the_warning_filters_as_they_were(tmp_path):
    path = file_of(Image.fromarray(noise(40, 60)), tmp_path / "photo.jpg")
    bomb(tmp_path / "bomb.png", 10_000, 10_000)
    before = list(warnings.filters)

    def read(number):
        if number % 2:
            return read_photo(path).pixels.shape
        with pytest.raises(PhotoError):
            read_photo(tmp_path / "bomb.png")
        return None

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(100))) == {None, (40, 60, 3)}
    assert warnings.filters == before


def test_a_file_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 3), "red").save(path)
    opened = []
    open_path = Path.open
    monkeypatch.setattr(
        Path, "open", lambda one, *given: opened.append(one) or open_path(one, *given)
    )
    assert read_photo(path).pixels.shape == (3, 4, 3)
    assert opened == [path]


def test_a_tiff_file_of_eight_bands_is_told_as_such(tmp_path: Path) -> None:
    entries = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 200, 277: 8, 278: 4, 279: 128}
    folder = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + folder + bytes(4)
    path = tmp_path / "bands.tif"
    path.write_bytes(head.ljust(200, b"\0") + bytes(128))
    with pytest.raises(PhotoError) as caught:
        read_photo(path)
    assert str(caught.value) == (
        f"'{path}' is a TIFF file whose bands or numbers seewhy does not read: it reads grey, RGB "
        "and RGBA of 8 bits, and grey and RGB of 16. Save three of its bands as RGB."
    )
