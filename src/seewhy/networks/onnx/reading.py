"""Read an ONNX file as data: what could read other files or run foreign code is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from seewhy.errors import MissingFramework, ModelError

LARGEST_FILE = 2**31 - 1
"""Bytes of a message of Protocol Buffers, and so of an ONNX file with its weights."""

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""The sets of operators that onnxruntime has itself."""


def import_onnx() -> tuple[Any, Any]:
    """Return the modules onnx and onnxruntime.

    Raises:
        MissingFramework: one of them is not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise MissingFramework(
            "A network in an ONNX file needs the packages onnx and onnxruntime. Install them: "
            "pip install 'seewhy[onnx]'"
        ) from error
    return onnx, onnxruntime


def read_model(path: str | os.PathLike[str]) -> Any:
    """Return the `ModelProto` of an ONNX file, with the weights of files beside it.

    Raises:
        MissingFramework: onnx is not installed.
        ModelError: the file is missing, damaged or too large, has operators of its own, or weights
            outside its folder.
    """
    onnx, _ = import_onnx()
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ModelError(
                f"'{path}' has {size / 2**30:.1f} GB, and seewhy reads ONNX networks of up to 2. "
                "Give a smaller network."
            )
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
        _refuse_foreign_operators(model, path)
        _load_weights_beside(onnx, model, path)
        onnx.checker.check_model(model, full_check=False)
    except ModelError:
        raise
    except (
        ValueError,
        TypeError,
        RecursionError,
        OSError,
        onnx.checker.ValidationError,
        _protobuf_error(),
    ) as error:
        raise ModelError(
            f"'{path}' is not an ONNX network that can be read: {_first_line(error)}. It may be "
            "damaged; export it again."
        ) from error
    _drop_identities(model.graph)
    _keep_constants_as_weights(model.graph)
    return model


def _keep_constants_as_weights(graph: Any) -> None:
    """Turn operators that give a constant tensor into weights of the file."""
    kept = []
    for node in graph.node:
        value = next(
            (attribute.t for attribute in node.attribute if attribute.name == "value"), None
        )
        if node.op_type == "Constant" and value is not None:
            graph.initializer.add().CopyFrom(value)
            graph.initializer[-1].name = node.output[0]
        else:
            kept.append(type(node).FromString(node.SerializeToString()))
    del graph.node[:]
    graph.node.extend(kept)


def _drop_identities(graph: Any) -> None:
    """Let operators read what identities give from where these have it; outputs stay."""
    outputs = {output.name for output in graph.output}
    same: dict[str, str] = {}
    kept = []
    inner = _has_graphs(graph)
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in outputs and not inner:
            same[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    if same:
        kept = [type(node).FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(kept)


def _has_graphs(graph: Any) -> bool:
    """True where operators contain graphs (If, Loop), which read names of this one."""
    return any(
        attribute.HasField("g") or attribute.graphs
        for node in graph.node
        for attribute in node.attribute
    )


def _protobuf_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    error_type: type[Exception] = DecodeError
    return error_type


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0].rstrip(".") if lines else type(error).__name__)[:200]


def _refuse_foreign_operators(model: Any, path: Path) -> None:
    """Refuse operators that need a library of somebody else's.

    Raises:
        ModelError: the file uses some; names them.
    """
    own = {function.name for function in model.functions}
    foreign = sorted(
        {
            f"{node.domain}.{node.op_type}"
            for node in model.graph.node
            if node.domain not in DOMAINS and node.op_type not in own
        }
    )
    if foreign:
        raise ModelError(
            f"'{path}' has operators that are not part of ONNX: {', '.join(foreign[:5])}. They "
            "would need a library of their own, which seewhy does not load. Export the network "
            "with standard operators."
        )


def _load_weights_beside(onnx: Any, model: Any, path: Path) -> None:
    """Read external data, which may only be in files of the model's own folder.

    Raises:
        ModelError: a tensor names a file elsewhere, or one that is missing.
    """
    from onnx.external_data_helper import load_external_data_for_model, uses_external_data

    folder = path.resolve().parent
    tensors = [tensor for tensor in _tensors(model.graph) if uses_external_data(tensor)]
    total = 0
    for tensor in tensors:
        place = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        file = (folder / place).resolve()
        if not place or folder not in file.parents:
            raise ModelError(
                f"'{path}' keeps weights in '{place}', which is outside its folder. seewhy reads "
                "none but the files beside a model. Move them there, or export the network in one "
                "file."
            )
        if not file.is_file():
            raise ModelError(
                f"'{path}' keeps weights in '{place}', and there is no such file beside it. Copy "
                "it there."
            )
        total = max(total, file.stat().st_size)
    if total > LARGEST_FILE:
        raise ModelError(
            f"The weights of '{path}' have {total / 2**30:.1f} GB, and seewhy reads ONNX networks "
            "of up to 2. Give a smaller network."
        )
    if tensors:
        load_external_data_for_model(model, str(folder))


def _tensors(graph: Any) -> list[Any]:
    """Return all tensors of a graph and the graphs inside it."""
    tensors = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                tensors.append(attribute.t)
            tensors += attribute.tensors
            if attribute.HasField("g"):
                tensors += _tensors(attribute.g)
            for inner in attribute.graphs:
                tensors += _tensors(inner)
    return tensors
