"""Settings of all kinds as rows of one type, and the values that people write for them."""

from __future__ import annotations

from seewhy.settings.setting import (
    LARGEST_NUMBER,
    LARGEST_SEED,
    Setting,
    SettingType,
    check_all,
    check_fields,
)
from seewhy.settings.values import (
    LARGEST_SIDE,
    as_size,
    fill_colour,
    is_whole,
    parse_fill,
    parse_sizes,
    parse_value,
    plain,
    shortened,
    split_names,
)

__all__ = [
    "LARGEST_NUMBER",
    "LARGEST_SEED",
    "LARGEST_SIDE",
    "Setting",
    "SettingType",
    "as_size",
    "check_all",
    "check_fields",
    "fill_colour",
    "is_whole",
    "parse_fill",
    "parse_sizes",
    "parse_value",
    "plain",
    "shortened",
    "split_names",
]
