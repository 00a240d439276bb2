"""The table METHODS of all methods; command line, page and docs are built from it.

In `cost`, F is a forward pass of one photo, B a backward pass. The order is that of menus.
"""

from __future__ import annotations

from dataclasses import replace

from seewhy.methods.attention import (
    attention_rollout,
    chefer,
    grad_eclip,
    legrad,
    mean_weights,
    positive_gradients,
    positive_relevance,
)
from seewhy.methods.base import Method, Needs, ProbeResult
from seewhy.methods.cam import (
    cam,
    element_wise_grad_cam,
    grad_cam,
    grad_cam_plus_plus,
    hires_cam,
    layer_cam,
    xgrad_cam,
)
from seewhy.methods.covering import ENGINES, WATCHED_VALUES, occlude
from seewhy.methods.eigen import eigen_cam, eigen_grad_cam
from seewhy.methods.fusion import fuse_layers, multiply_layers
from seewhy.methods.gradients import (
    gradient_x_input,
    guided_backpropagation,
    guided_grad_cam,
    integrated_gradients,
    saliency,
    smooth_grad,
)
from seewhy.methods.masking import ablation_cam, recipro_cam, rise, score_cam, vit_cx
from seewhy.methods.occlusion import REDUCTIONS, shown_from
from seewhy.methods.windows import occlusion_copies
from seewhy.settings import LARGEST_SEED, Setting

__all__ = ["LAYERS", "METHODS", "Method", "Needs", "ProbeResult", "fuse_layers", "multiply_layers"]

REFERENCES, STRENGTH = 3, 0.6
"""Finer-CAM's defaults: how many similar classes, and how much of their mean is subtracted."""

SEED = Setting(
    "seed", "integer", 0, "of the random numbers; the same gives the same map", (0, LARGEST_SEED)
)
REDUCTION_NAMES = tuple(REDUCTIONS)

LAYERS = {"last": 1, "last-two": 2, "all": None}
"""Which attention layers of a transformer are looked at: how many of the last, None for all."""

LAYERS_HELP = "attention layers that are looked at"

TO_LAYER = Needs.ACTIVATIONS | Needs.LAYER_GRADIENTS

# Finer-CAM is the same method with contrast="similar".
GRAD_CAM = Method(
    function=grad_cam,
    needs=TO_LAYER,
    paper="Selvaraju et al., Grad-CAM, ICCV 2017, arXiv:1610.02391",
    summary="where a layer sees what speaks for the class; the field's standard",
    cost="1 F + 1 B per class, to the layer",
)

_ROWS = {
    "grad-cam": GRAD_CAM,
    "cam": Method(
        function=cam,
        needs=Needs.ACTIVATIONS | Needs.CLASS_WEIGHTS,
        paper="Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, "
        "arXiv:1512.04150",
        summary="what each place adds to the score; exact, for networks that end in pooling and "
        "one linear map",
        cost="1 F",
    ),
    "grad-cam++": Method(
        function=grad_cam_plus_plus,
        needs=TO_LAYER,
        paper="Chattopadhyay et al., Grad-CAM++, WACV 2018, arXiv:1710.11063",
        summary="Grad-CAM with equal weight for several, or small, objects of a class",
        cost="1 F + 1 B per class, to the layer",
    ),
    "finer-cam": replace(
        GRAD_CAM,
        options=(
            Setting("similar", "integer", REFERENCES, "classes to differ from", (1, None)),
            Setting("strength", "number", STRENGTH, "of their mean score", (0, None)),
        ),
        contrasts=True,
        paper="Zhang et al., Finer-CAM, CVPR 2025, arXiv:2501.11309",
        summary="Grad-CAM of what sets the class apart from the most similar ones",
        cost="2 F + 1 B per class and similar class, to the layer",
    ),
    "xgrad-cam": Method(
        function=xgrad_cam,
        needs=TO_LAYER,
        paper="Fu et al., Axiom-based Grad-CAM, BMVC 2020, arXiv:2008.02312",
        summary="Grad-CAM whose weights make the map add up to the score",
        cost="1 F + 1 B per class, to the layer",
    ),
    "hires-cam": Method(
        function=hires_cam,
        needs=TO_LAYER,
        paper="Draelos and Carin, Use HiResCAM instead of Grad-CAM, 2020, arXiv:2011.08891",
        summary="only places that the network used, for and against the class",
        cost="1 F + 1 B per class, to the layer",
    ),
    "layer-cam": Method(
        function=layer_cam,
        needs=TO_LAYER,
        paper="Jiang et al., LayerCAM, IEEE TIP 30, 2021, doi:10.1109/TIP.2021.3089943",
        summary="fine maps from early layers too, by each place's own positive gradient",
        cost="1 F + 1 B per class, to the layer",
    ),
    "element-wise-grad-cam": Method(
        function=element_wise_grad_cam,
        needs=TO_LAYER,
        paper="Pillai and Pirsiavash, Explainable Models with Consistent Interpretations, "
        "AAAI 2021",
        summary="only what speaks for the class; evidence against it is ignored",
        cost="1 F + 1 B per class, to the layer",
    ),
    "refine-cam": Method(
        function=grad_cam_plus_plus,
        needs=TO_LAYER,
        multiplies=True,
        paper="Domeniconi et al., How to Evaluate and Refine your CAM, 2026, arXiv:2605.14641",
        summary="fine maps: Grad-CAM++ of layers of three scales, multiplied",
        cost="1 F + 1 B per class, to the earliest of the layers",
    ),
    "eigen-cam": Method(
        function=eigen_cam,
        needs=Needs.ACTIVATIONS,
        paper="Muhammad and Yeasin, Eigen-CAM, IJCNN 2020, arXiv:2008.00299",
        summary="the layer's dominant pattern, whatever the class",
        cost="1 F",
    ),
    "eigen-grad-cam": Method(
        function=eigen_grad_cam,
        needs=TO_LAYER,
        paper="no paper; Gildenblat, pytorch-grad-cam",
        summary="the dominant pattern of activation times gradient",
        cost="1 F + 1 B per class, to the layer",
    ),
    "score-cam": Method(
        function=score_cam,
        needs=Needs.SCORES | Needs.ACTIVATIONS | Needs.COPIES,
        paper="Wang et al., Score-CAM, CVPR workshops 2020, arXiv:1910.01279",
        summary="channels weighed by the score of the photo seen through them; no gradients",
        cost="1 F + 1 F per channel of the layer, for all classes",
        copies=lambda shape, _: shape[2],
    ),
    "ablation-cam": Method(
        function=ablation_cam,
        needs=Needs.ACTIVATIONS | Needs.SCORES_FROM_LAYER | Needs.COPIES,
        paper="Desai and Ramaswamy, Ablation-CAM, WACV 2020",
        summary="channels weighed by what the score loses without them; no gradients",
        cost="1 F + 1 F after the layer per channel that is not 0, for all classes",
        copies=lambda shape, _: shape[2] + 1,
    ),
    "recipro-cam": Method(
        function=recipro_cam,
        needs=Needs.ACTIVATIONS | Needs.SCORES_FROM_LAYER | Needs.COPIES,
        options=(
            Setting("gaussian", "boolean", True, "a cell is seen with its neighbours, blurred"),
        ),
        paper="Byun and Lee, ReciproCAM, CVPR workshops 2024, arXiv:2209.14074",
        summary="the score of each cell of the layer by itself; no gradients",
        cost="1 F + 1 F after the layer per cell, for all classes",
        copies=lambda shape, _: shape[0] * shape[1],
        from_minimum=True,
    ),
    "vit-cx": Method(
        function=vit_cx,
        needs=Needs.SCORES | Needs.ACTIVATIONS | Needs.COPIES | Needs.RANDOMNESS,
        options=(
            Setting("distance", "number", 0.1, "1 − cosine of channels of a cluster", (0, 2)),
            Setting("noise", "number", 0.1, "standard deviation, in the input's range", (0, None)),
            SEED,
        ),
        paper="Xie et al., ViT-CX, IJCAI 2023, arXiv:2211.03064",
        summary="clusters of channels weighed by the score of the photo seen through them",
        cost="1 F + 2 F per cluster of the layer's channels, for all classes",
        copies=lambda shape, _: 2 * shape[2] + 1,
        from_minimum=True,
    ),
    "chefer": Method(
        function=chefer,
        needs=Needs.ATTENTIONS | Needs.ATTENTION_GRADIENTS | Needs.READ,
        of_attention=positive_relevance,
        options=(Setting("layers", "choice", "last", LAYERS_HELP, tuple(LAYERS)),),
        paper="Chefer, Gur and Wolf, Generic Attention-model Explainability, ICCV 2021, "
        "arXiv:2103.15679",
        summary="transformers: attention that speaks for the class",
        cost="2 F + 1 B per class, to the first of the layers",
    ),
    "legrad": Method(
        function=legrad,
        needs=Needs.ATTENTIONS | Needs.ATTENTION_GRADIENTS | Needs.BLOCK_SCORES,
        of_attention=positive_gradients,
        options=(Setting("layers", "choice", "all", LAYERS_HELP, tuple(LAYERS)),),
        paper="Bousselham et al., LeGrad, ICCV 2025, arXiv:2404.03214",
        summary="transformers: which attention would raise the score, layer by layer",
        cost="2 F + 1 B per class",
    ),
    "grad-eclip": Method(
        function=grad_eclip,
        needs=Needs.ATTENTIONS | Needs.ATTENTION_GRADIENTS | Needs.READ,
        paper="Zhao et al., Grad-ECLIP, ICML 2024, arXiv:2502.18816",
        summary="transformers: the last attention's values, by gradient and by likeness",
        cost="2 F + 1 B per class, to the last attention",
    ),
    "attention-rollout": Method(
        function=attention_rollout,
        needs=Needs.ATTENTIONS | Needs.READ,
        of_attention=mean_weights,
        paper="Abnar and Zuidema, Quantifying Attention Flow, ACL 2020, arXiv:2005.00928",
        summary="transformers: attention through all layers, whatever the class; a baseline",
        cost="2 F",
    ),
    "rise": Method(
        function=rise,
        needs=Needs.SCORES | Needs.COPIES | Needs.RANDOMNESS,
        options=(
            Setting("masks", "integer", 4000, "random masks; more are less noisy", (1, 1_000_000)),
            Setting("grid", "integer", 7, "cells of a mask along each side", (1, 1000)),
            Setting("probability", "number", 0.5, "share of the cells that are visible", (0, 1)),
            SEED,
        ),
        paper="Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421",
        summary="the expected score when a pixel is visible, by random masks; no layer",
        cost="1 F per mask (4000), for all classes",
        copies=lambda _, options: int(options["masks"]),
        from_minimum=True,
    ),
    "occlusion": Method(
        function=occlude,
        needs=Needs.SCENE,
        options=(
            Setting(
                "patch", "patch", None, "the window; several sizes are swept in turn", shown="1/7"
            ),
            Setting("stride", "patch", None, "the step between windows", shown="half the window"),
            Setting("fill", "fill", "mean", "the picture that covers the patch"),
            Setting("watch", "choice", "scores", "the output whose fall is shown", WATCHED_VALUES),
            Setting(
                "reduction",
                "choice",
                "max",
                "over the channels of feature maps",
                REDUCTION_NAMES,
                or_function=True,
            ),
            Setting("engine", "choice", "auto", "re-run copies whole, or what changed", ENGINES),
        ),
        paper="Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, "
        "arXiv:1311.2901",
        summary="how much the score falls when a patch is covered; no layer, no gradients",
        cost="1 F per position of the patch, for all classes",
        copies=lambda shape, options: occlusion_copies(
            shape, patch=options["patch"], stride=options["stride"]
        ),
        shown_from=shown_from,
        signed=True,
    ),
    "saliency": Method(
        function=saliency,
        needs=Needs.PIXEL_GRADIENTS,
        paper="Simonyan et al., Deep Inside Convolutional Networks, ICLR workshop 2014, "
        "arXiv:1312.6034",
        summary="the pixels whose change would move the score most, either way",
        cost="1 F + 1 B per class",
        copies=lambda *_: 1,
    ),
    "gradient-x-input": Method(
        function=gradient_x_input,
        needs=Needs.PIXEL_GRADIENTS,
        signed=True,
        paper="Shrikumar et al., Not Just a Black Box, 2016, arXiv:1605.01713",
        summary="what each pixel adds to the score, as far as the network is linear",
        cost="1 F + 1 B per class",
        copies=lambda *_: 1,
    ),
    "smooth-grad": Method(
        function=smooth_grad,
        needs=Needs.PIXEL_GRADIENTS | Needs.COPIES | Needs.RANDOMNESS,
        options=(
            Setting("samples", "integer", 50, "noisy copies", (1, 1_000_000)),
            Setting("noise", "number", 0.15, "standard deviation, a share of the range", (0, None)),
            SEED,
        ),
        paper="Smilkov et al., SmoothGrad, 2017, arXiv:1706.03825",
        summary="saliency averaged over noisy copies: the same, less grainy",
        cost="(1 F + 1 B per class) per sample (50)",
        copies=lambda _, options: int(options["samples"]),
    ),
    "integrated-gradients": Method(
        function=integrated_gradients,
        needs=Needs.PIXEL_GRADIENTS | Needs.COPIES,
        options=(
            Setting("steps", "integer", 50, "points on the path from the baseline", (1, 2000)),
            Setting(
                "baseline", "image", 0.0, "where the path starts, in the network's input range"
            ),
        ),
        signed=True,
        paper="Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017, "
        "arXiv:1703.01365",
        summary="the score distributed over the pixels, against a baseline; reports its own error",
        cost="(1 F + 1 B per class) per step (50), and two more",
        copies=lambda _, options: int(options["steps"]) + 2,
    ),
    "guided-backpropagation": Method(
        function=guided_backpropagation,
        needs=Needs.PIXEL_GRADIENTS | Needs.GUIDED,
        signed=True,
        paper="Springenberg et al., Striving for Simplicity, ICLR workshop 2015, arXiv:1412.6806",
        summary="crisp edges and texture that excite the network; hardly depends on the class",
        cost="1 F + 1 B per class",
        copies=lambda *_: 1,
    ),
    "guided-grad-cam": Method(
        function=guided_grad_cam,
        needs=TO_LAYER | Needs.PIXEL_GRADIENTS | Needs.GUIDED,
        signed=True,
        paper="Selvaraju et al., Grad-CAM, section 3.3, ICCV 2017, arXiv:1610.02391",
        summary="guided backpropagation where Grad-CAM sees the class: crisp and class by class",
        cost="2 F + 2 B per class",
        copies=lambda *_: 1,
    ),
}
METHODS: dict[str, Method] = {name: replace(row, name=name) for name, row in _ROWS.items()}
"""Every method, by its name."""
