"""Look inside a network: its filters, their activations for a photo, and what excites them.

Five questions, one function each, for every network that seewhy can load:

    seewhy.filters(classifier).save("filters.png")                       the learned kernels
    seewhy.feature_maps(classifier, "cat.jpg").save("maps.png")          its activations
    seewhy.features(classifier, "cat.jpg").save("features.png")          what is alike, in colours
    seewhy.maximize_activation(classifier, classes=["tabby"]).save("tabby.png")
    seewhy.strongest(classifier, "photos/", layer="conv5", filter=3).save("strongest.png")
"""

from __future__ import annotations

from seewhy.inside.feature_maps import FeatureMaps, feature_maps
from seewhy.inside.features import Features, Similarity, features
from seewhy.inside.filters import Filters, filters
from seewhy.inside.maximizing import MaximizedImages, maximize_activation
from seewhy.inside.receptive_field import receptive_field
from seewhy.inside.strongest import PeakActivation, Strongest, strongest
from seewhy.inside.units import photo_values

__all__ = [
    "filters",
    "Filters",
    "feature_maps",
    "FeatureMaps",
    "features",
    "Features",
    "Similarity",
    "maximize_activation",
    "MaximizedImages",
    "photo_values",
    "strongest",
    "Strongest",
    "PeakActivation",
    "receptive_field",
]
