"""Every error that seewhy raises on purpose.

A message says what happened, with the value; why, with what was found; and what to do next.

    SeewhyError
    ├── PhotoError (ValueError)          a file or array that is not a usable photo
    ├── UnknownName (LookupError)
    │   ├── UnknownModel
    │   ├── UnknownLayer
    │   ├── UnknownClass
    │   └── UnknownMethod
    ├── ModelError (ValueError)          a model, or a model file, that cannot be used as it is
    │   └── NotACamNetwork               no global average pooling and one linear map for CAM
    ├── LayerError (ValueError)          a layer that exists but cannot be explained
    ├── TargetError (ValueError)         classes or a target that do not fit photos or network
    ├── OptionError (ValueError)         an invalid option of a method, of training or of a picture
    ├── NotFinite (ArithmeticError)      the network returned NaN or infinity
    ├── OutputError (OSError)            a result could not be written
    └── MissingFramework (ImportError)   a framework, or weights to download, are not available

A warning that a result may mislead is a `SeewhyWarning`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from typing import Any


class SeewhyError(Exception):
    """The root of every error that seewhy raises on purpose."""


class PhotoError(SeewhyError, ValueError):
    """A file or an array is not a usable photo."""


class UnknownName(SeewhyError, LookupError):
    """A name is unknown; the message lists the nearest ones."""


class UnknownModel(UnknownName):
    """No network or file has that name."""


class UnknownLayer(UnknownName):
    """The network has no layer of that name."""


class UnknownClass(UnknownName):
    """The network has no class of that name, WordNet id or index."""


class UnknownMethod(UnknownName):
    """No method in the table METHODS has that name."""


class ModelError(SeewhyError, ValueError):
    """A model, or a model file, cannot be used as it is."""


class NotACamNetwork(ModelError):
    """CAM needs global average pooling and one linear map after the explained layer."""


class LayerError(SeewhyError, ValueError):
    """A layer exists but cannot be explained: no spatial map, called twice, not on the path."""


class TargetError(SeewhyError, ValueError):
    """Classes or a target do not match the photos or the network."""


class OptionError(SeewhyError, ValueError):
    """An option has an invalid value."""


class NotFinite(SeewhyError, ArithmeticError):
    """The network returned NaN or infinity."""


class OutputError(SeewhyError, OSError):
    """A result could not be written."""


class MissingFramework(SeewhyError, ImportError):
    """A required framework is not installed, or weights cannot be downloaded."""


class SeewhyWarning(UserWarning):
    """A result may mislead."""


def nearest_names(name: str, choices: Iterable[str], *, count: int = 2) -> str:
    """Return the choices most like `name`, for an error message: "'a' and 'b'", or ""."""
    choices = list(choices)
    lowered = {choice.lower(): choice for choice in reversed(choices)}
    near = difflib.get_close_matches(name.lower(), lowered, n=count, cutoff=0.4)
    return " and ".join(f"'{lowered[choice]}'" for choice in near)


PACKAGES = {"scipy": "SciPy", "skimage": "scikit-image"}
"""Packages as people call them."""


def needed(module: str, purpose: str, *, extra: str = "analysis") -> Any:
    """Import a module of a package that `pip install seewhy` alone does not bring.

    Args:
        module: as it is imported: "scipy.ndimage".
        purpose: what it is needed for, as the subject of a sentence: "A smoothed map".
        extra: of seewhy, which brings it.

    Raises:
        MissingFramework: it is not installed; names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingFramework(
            f"{purpose} needs {PACKAGES.get(package, package)}, which is not installed. Install "
            f"it: pip install 'seewhy[{extra}]'"
        ) from error
