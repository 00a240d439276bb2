"""Files that Pillow does not open by itself are read, or a sentence says why not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from seewhy.datasets.manifest import find_items
from seewhy.errors import PhotoError, SeewhyWarning
from seewhy.photos.reading import PhotoFailure, find_photos, read_photo, read_source

RAMP = np.arange(6 * 8, dtype=np.uint16).reshape(6, 8) * 20 + 1000
"""A picture of 12 bits: 1000 to 1940."""


def dicom(path: Path, **facts: Any) -> Path:
    data = pydicom.dataset.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data.Rows, data.Columns = RAMP.shape
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    for name, value in facts.items():
        setattr(data, name, value)
    data.PixelData = RAMP.tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_dicom_is_read_by_its_own_window(tmp_path: Path) -> None:
    # the window is 1200 to 1600: below is black, above white, 1400 in the middle
    path = dicom(tmp_path / "scan.dcm", WindowCenter=1400, WindowWidth=400)
    found = read_photo(path).pixels
    expected = np.rint(255 * np.clip((RAMP.astype(float) - 1200) / 400, 0, 1))
    np.testing.assert_array_equal(found, np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_dicom_without_a_window_spans_its_values_and_may_be_negative(tmp_path: Path) -> None:
    path = dicom(tmp_path / "scan", PhotometricInterpretation="MONOCHROME1")
    found = read_photo(path).pixels[..., 0]
    assert (found[0, 0], found[-1, -1]) == (255, 0)


def test_an_array_in_a_file_is_a_photo(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    np.save(tmp_path / "photo.npy", pixels)
    np.testing.assert_array_equal(read_photo(tmp_path / "photo.npy").pixels, pixels)


def test_heic_is_read_where_pillow_heif_is_there(tmp_path: Path) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32, 0] = 250
    Image.fromarray(pixels).save(tmp_path / "phone.heic")
    found = read_photo(tmp_path / "phone.heic").pixels
    assert found[:, 4:28, 0].min() > 200
    assert found[:, 36:, 0].max() < 50


@pytest.mark.parametrize(
    ("name", "content", "package", "said"),
    [
        (
            "phone.heic",
            b"\0\0\0\x1cftypheic" + bytes(40),
            "pillow_heif",
            "'phone.heic' is a HEIC photo, which needs pillow-heif. Install it: pip install "
            "pillow-heif, or convert the photo to JPEG.",
        ),
        (
            "scan.dcm",
            bytes(128) + b"DICM" + bytes(40),
            "pydicom",
            "'scan.dcm' is a DICOM file, which needs pydicom. Install it: pip install pydicom, or "
            "export the picture as an 8-bit PNG, with the window that shows what matters.",
        ),
        (
            "brain.nii.gz",
            b"\x1f\x8b" + bytes(40),
            None,
            "'brain.nii.gz' is a NIfTI volume, and seewhy explains photos. Save the slices that "
            "your network takes as PNG (nibabel reads them).",
        ),
    ],
)
def test_in_a_folder_they_are_told_and_not_skipped(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    package: str | None,
    said: str,
) -> None:
    if package is not None:
        monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(content)
    (path,) = find_photos(tmp_path)
    assert [Path(item.path).name for item in find_items(tmp_path)] == [name]
    found = read_source(path)
    assert isinstance(found, PhotoFailure)
    assert found.reason.replace(f"{tmp_path}/", "") == said


@pytest.mark.parametrize("cut", [8, 60, 100])
def test_a_damaged_array_is_a_sentence(tmp_path: Path, cut: int) -> None:
    np.save(tmp_path / "photo.npy", np.zeros((40, 50), np.uint8))
    content = (tmp_path / "photo.npy").read_bytes()
    (tmp_path / "photo.npy").write_bytes(content[:cut])
    with pytest.raises(PhotoError, match=r"photo.npy' cannot be read: .* It may be damaged\.$"):
        read_photo(tmp_path / "photo.npy")


def test_an_array_of_objects_runs_no_code(tmp_path: Path) -> None:
    np.save(tmp_path / "photo.npy", np.array([print, 1], dtype=object), allow_pickle=True)
    with pytest.raises(PhotoError, match="cannot be read: Array can't be memory-mapped: Python"):
        read_photo(tmp_path / "photo.npy")


def test_twelve_bits_in_sixteen_are_told(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "xray.png")
    with pytest.warns(SeewhyWarning) as caught:
        read_photo(tmp_path / "xray.png")
    (one,) = caught
    assert str(one.message).replace(f"{tmp_path}/", "") == (
        "'xray.png' is 16-bit grey with no value above 1940 of 65535, so it is nearly black: it "
        "looks like 12 bits that were not scaled. Multiply its values by 16, or save it with 8 "
        "bits."
    )
