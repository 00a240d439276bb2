"""See why an image network decided what it decided.

    import seewhy

    classifier = seewhy.load("resnet50")
    explanation = seewhy.explain(classifier, "photo.jpg", top=3)
    explanation.save("why.png")

Importing seewhy loads no framework; a network does.
"""

from __future__ import annotations

import importlib
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from seewhy.version import __version__ as __version__

_HOMES = {
    "load": "zoo",
    "models": "zoo",
    "Classifier": "classifier",
    "Fit": "photos.fitting",
    "Photo": "photos.photo",
    "explain": "explaining",
    "compare": "explaining",
    "estimate": "explaining",
    "Estimate": "explaining",
    "Explanation": "explaining",
    "Prediction": "explaining",
    "Style": "rendering.style",
    "METHODS": "methods",
    "filters": "inside",
    "Filters": "inside.filters",
    "feature_maps": "inside",
    "FeatureMaps": "inside.feature_maps",
    "features": "inside",
    "Features": "inside.features",
    "Similarity": "inside.features",
    "maximize_activation": "inside",
    "strongest": "inside",
    "train": "training.train",
    "Recipe": "training.recipe",
    "TrainingResult": "training.result",
    "locate": "locating",
    "Location": "locating",
    "Locations": "locating",
    "stream": "explaining.stream",
    "PhotoFailure": "photos.photo",
    "batch": "datasets",
    "read_run": "datasets",
    "export_run": "datasets.exports",
    "export_with_cam": "explaining.deploying",
    "ExportedNetwork": "explaining.deploying",
    "report": "reporting",
    "Report": "reporting.result",
    "compare_networks": "reporting",
    "NetworkComparison": "reporting.comparison",
    "check": "checking",
    "CheckResult": "checking",
    "evaluate": "evaluating",
    "Evaluation": "evaluating",
    "callbacks": "callbacks",
    "targets": "targets",
    "errors": "errors",
    "SeewhyError": "errors",
    "SeewhyWarning": "errors",
}
"""The module of each public name, which is imported on first use."""

__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from seewhy import callbacks as callbacks
    from seewhy import errors as errors
    from seewhy import targets as targets
    from seewhy.checking import check as check
    from seewhy.checking.result import CheckResult as CheckResult
    from seewhy.classifier import Classifier as Classifier
    from seewhy.datasets.batch import batch as batch
    from seewhy.datasets.exports import export_run as export_run
    from seewhy.datasets.reading import read_run as read_run
    from seewhy.errors import SeewhyError as SeewhyError
    from seewhy.errors import SeewhyWarning as SeewhyWarning
    from seewhy.evaluating import Evaluation as Evaluation
    from seewhy.evaluating._evaluate import evaluate as evaluate
    from seewhy.explaining import Explanation as Explanation
    from seewhy.explaining import Prediction as Prediction
    from seewhy.explaining.deploying import ExportedNetwork as ExportedNetwork
    from seewhy.explaining.deploying import export_with_cam as export_with_cam
    from seewhy.explaining.estimating import Estimate as Estimate
    from seewhy.explaining.estimating import estimate as estimate
    from seewhy.explaining.explain import compare as compare
    from seewhy.explaining.explain import explain as explain
    from seewhy.explaining.stream import stream as stream
    from seewhy.inside import maximize_activation as maximize_activation
    from seewhy.inside.feature_maps import FeatureMaps as FeatureMaps
    from seewhy.inside.feature_maps import feature_maps as feature_maps
    from seewhy.inside.features import Features as Features
    from seewhy.inside.features import Similarity as Similarity
    from seewhy.inside.features import features as features
    from seewhy.inside.filters import Filters as Filters
    from seewhy.inside.filters import filters as filters
    from seewhy.inside.strongest import strongest as strongest
    from seewhy.locating import Location as Location
    from seewhy.locating import Locations as Locations
    from seewhy.locating._locate import locate as locate
    from seewhy.methods import METHODS as METHODS
    from seewhy.photos.fitting import Fit as Fit
    from seewhy.photos.photo import Photo as Photo
    from seewhy.photos.photo import PhotoFailure as PhotoFailure
    from seewhy.rendering.style import Style as Style
    from seewhy.reporting.comparing import compare_networks as compare_networks
    from seewhy.reporting.comparison import NetworkComparison as NetworkComparison
    from seewhy.reporting.report import report as report
    from seewhy.reporting.result import Report as Report
    from seewhy.training.recipe import Recipe as Recipe
    from seewhy.training.result import TrainingResult as TrainingResult
    from seewhy.training.train import train as train
    from seewhy.zoo.load import load as load
    from seewhy.zoo.load import models as models


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'seewhy' has no attribute '{name}'")
    home = importlib.import_module(f"seewhy.{_HOMES[name]}")
    value = home if name == _HOMES[name] and not hasattr(home, name) else getattr(home, name)
    globals()[name] = value
    _call_public_things_ours()
    return value


def _call_public_things_ours() -> None:
    """Let what is public and loaded say `seewhy` as its module, wherever it is written."""
    for name, home in _HOMES.items():
        thing = getattr(sys.modules.get(f"seewhy.{home}"), name, None)
        if isinstance(thing, type | FunctionType):
            thing.__module__ = "seewhy"


def __dir__() -> list[str]:
    return sorted(__all__)
