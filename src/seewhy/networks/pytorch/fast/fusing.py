"""A PyTorch module as one graph, in which batch normalizations and activations cost little.

    convolution → batch normalization → + other → ReLU    becomes    one convolution

Which output is read where is known from torch.fx, which runs the module with stand-ins for tensors,
not from the order of names. Only what nobody else reads is fused: a layer that is looked at keeps
its own output. A module that torch.fx cannot follow, as its way depends on numbers, is not fused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import fx
from torch.fx.proxy import TraceError
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from seewhy.networks.pytorch.fast.fused import (
    ENDINGS,
    Ending,
    FoldedWeights,
    FusedLayer,
    Normalization,
)
from seewhy.networks.pytorch.hooks import LayerHook

_FORWARDS = frozenset(
    getattr(torch.nn, name).forward for name in ("Conv1d", "Conv2d", "Conv3d", "Linear")
)
"""Layers that a normalization is folded into, also under names of their own, as in subclasses."""
_PASSING_LAYERS = (torch.nn.Identity, torch.nn.Dropout, torch.nn.Dropout2d)
_ARGUMENTS = {
    "input": "x", "running_mean": "mean", "running_var": "variance", "weight": "scale",
    "bias": "shift",
}  # fmt: skip
_ACTIVATIONS: Mapping[Any, str] = {
    torch.nn.ReLU: "relu", torch.nn.ReLU6: "relu6",
    torch.nn.SiLU: "silu", torch.nn.Hardswish: "hardswish",
    functional.relu: "relu", torch.relu: "relu", torch.relu_: "relu", "relu": "relu",
    "relu_": "relu", functional.relu6: "relu6", functional.silu: "silu",
    functional.hardswish: "hardswish",
}  # fmt: skip
"""By module, function or method: the activations that a convolution may end in."""
_ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")


class TracedModule:
    """A module whose data flow is known.

    Args:
        module: in evaluation mode; runs what is not fused.
        exact: the same module with the weights that normalizations are folded into; its own where
            it has not been rounded.

    Raises:
        Exception: whatever a module may raise when it is called with stand-ins for tensors.
    """

    def __init__(self, module: torch.nn.Module, exact: torch.nn.Module) -> None:
        tracer, before = _Tracer(), set(vars(module))
        try:
            self.module, self.graph = module, tracer.trace(module)
        finally:  # the tracer keeps tensors that the module makes as attributes of the module
            made = {name: vars(module).pop(name) for name in set(vars(module)) - before}
        self.outputs = tracer.outputs
        self._constants = made
        self._exact = exact
        self._modules = dict(module.named_modules(remove_duplicate=False))
        self._weights: dict[tuple[str, bool], FoldedWeights] = {}

    def fused(self, names: Iterable[str], *, guided: bool = False) -> FusedPass | None:
        """Return a forward pass in which layers are looked at.

        Args:
            names: of the layers.
            guided: keep activations as functions of their own: a guided backward pass changes them.

        Returns:
            None where a layer does not return once, and one tensor; and where nothing is fused.
        """
        graph = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {}
        graph.output(graph.graph_copy(self.graph, copies))
        parts: dict[str, Any] = {}
        looks = self._look(graph, copies, names)
        if looks is None:
            return None
        for node in list(graph.nodes):
            if self._is_passing(node):
                _leave_out(graph, node, node.args[0])
        for node in list(graph.nodes):
            layer = self._fuse(graph, node, guided=guided)
            if layer is not None:
                node.target = f":fused_{len(parts)}"
                parts[node.target] = layer
        if not parts:
            return None
        parts |= {node.target: looks[node.target] for node in graph.nodes if node.target in looks}
        for node in graph.nodes:
            if node.op in ("call_module", "get_attr") and node.target not in parts:
                kept = node.target in self._constants
                parts[node.target] = (
                    self._constants[node.target] if kept else _found(self.module, node.target)
                )
        graph.lint()
        return FusedPass(fx.GraphModule(parts, graph), looks)

    def _look(
        self, graph: fx.Graph, copies: Mapping[fx.Node, fx.Node], names: Iterable[str]
    ) -> dict[str, _Look] | None:
        """Put a look at each layer's output where its call ends; what follows reads the look."""
        asked = set(names)
        looks: dict[str, _Look] = {}
        current: dict[fx.Node, fx.Node] = {}
        ends: dict[fx.Node, fx.Node] = {}
        for name in [known for known in self.outputs if known in asked]:
            ((output, last), *more) = self.outputs[name]
            if more or not isinstance(output, fx.Proxy):
                return None
            source = current.get(output.node, copies[output.node])
            key = f":look_{len(looks)}"
            with graph.inserting_after(ends.get(last, copies[last])):
                look = graph.call_module(key, (source,))
            _read_instead(source, look)
            looks[key] = _Look(name)
            current[output.node] = ends[last] = look
        return looks if len(looks) == len(asked) else None

    def _fuse(self, graph: fx.Graph, node: fx.Node, *, guided: bool) -> FusedLayer | None:
        """Return what computes a convolution and what follows it, which the graph then leaves out.

        None for what is no convolution, and for a linear layer that nothing is folded into.
        """
        layer = self._module(node)
        if _own_forward(layer) not in _FORWARDS or len(node.args) != 1 or node.kwargs:
            return None
        after = _only_reader(node)
        normalization = None if after is None else self._normalization(after, of=node)
        if normalization is not None:
            _leave_out(graph, after, node)
        elif isinstance(layer, torch.nn.Linear):
            return None
        if isinstance(layer, torch.nn.Conv2d):
            self._take_addition(graph, node)
        ending = None if guided else self._ending(_only_reader(node))
        if ending is not None:
            _leave_out(graph, _only_reader(node), node)
        key = node.name, normalization is not None
        if key not in self._weights:
            exact = self._exact.get_submodule(str(node.target))
            self._weights[key] = FoldedWeights(exact, normalization, layer.weight.dtype)
        return FusedLayer(self._weights[key], ending)

    def _take_addition(self, graph: fx.Graph, node: fx.Node) -> None:
        """Let a convolution add what was computed before it, where that is the very next step."""
        after = _only_reader(node)
        if after is None or node.next is not after or after.op == "call_module":
            return
        if after.target not in _ADDITIONS:
            return
        if after.kwargs or len(after.args) != 2 or after.args[0] is after.args[1]:
            return
        (other,) = (arg for arg in after.args if arg is not node)
        is_written_to = after.target in (operator.iadd, "add_") and after.args[0] is other
        if isinstance(other, fx.Node) and not is_written_to:
            node.args = (*node.args, other)
            _leave_out(graph, after, node)

    def _module(self, node: fx.Node | None) -> Any:
        """Return the module that a node calls; None where it calls none, or hooks hang on it."""
        if node is None or node.op != "call_module":
            return None
        module = self._modules.get(str(node.target))
        return None if module is None or module.training or _has_hooks(module) else module

    def _is_passing(self, node: fx.Node) -> bool:
        return type(self._module(node)) in _PASSING_LAYERS and len(node.args) == 1

    def _normalization(self, node: fx.Node, *, of: fx.Node) -> Normalization | None:
        """Return the batch normalization of another node's output, from what it remembers."""
        if (node.op, node.target) == ("call_function", functional.batch_norm):
            return self._called_normalization(node, of=of)
        module = self._module(node)
        if _own_forward(module) is not _BatchNorm.forward or len(node.args) != 1:
            return None
        own = _found(self._exact, str(node.target))
        if own.running_mean is None or own.running_var is None:
            return None
        return Normalization(own.running_mean, own.running_var, own.weight, own.bias, own.eps)

    def _called_normalization(self, node: fx.Node, *, of: fx.Node) -> Normalization | None:
        """Return the same of a call of the function, as in modules derived from PyTorch's own."""
        names = "x", "mean", "variance", "scale", "shift", "training", "momentum", "eps"
        given = dict(zip(names, node.args, strict=False)) | {
            _ARGUMENTS.get(name, name): value for name, value in node.kwargs.items()
        }
        if given.get("x") is not of or given.get("training", False) is not False:
            return None
        tensors = []
        for name in ("mean", "variance", "scale", "shift"):
            source = given.get(name)
            if isinstance(source, fx.Node) and source.op == "get_attr":
                tensors.append(_found(self._exact, str(source.target)))
            elif source is None and name in ("scale", "shift"):
                tensors.append(None)
            else:
                return None
        mean, variance, scale, shift = tensors
        return Normalization(mean, variance, scale, shift, given.get("eps", 1e-5))

    def _ending(self, node: fx.Node | None) -> Ending | None:
        if node is None or len(node.args) != 1 or not set(node.kwargs) <= {"inplace"}:
            return None
        module = self._module(node)
        called = node.target if node.op != "call_module" else type(module)
        return ENDINGS.get(_ACTIVATIONS.get(called, ""))


class FusedPass:
    """A forward pass in which layers are looked at; a few in one module take turns.

    Args:
        module: the pass as a module.
        looks: the places inside it where layers are looked at.
    """

    def __init__(self, module: fx.GraphModule, looks: Mapping[str, _Look]) -> None:
        self.module = module
        self.looks = looks

    def __call__(self, images: torch.Tensor, hooks: Mapping[str, LayerHook]) -> Any:
        """Return the output, with a hook for each layer that is looked at."""
        try:
            for look in self.looks.values():
                look.hook = hooks[look.name]
            return self.module(images)
        finally:
            for look in self.looks.values():
                look.hook = None


class _Look(torch.nn.Module):  # type: ignore[misc]  # torch ships no types here
    """Hands a layer's output to a hook, and goes on with what the hook returns."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.hook: LayerHook | None = None

    def forward(self, output: Any) -> Any:
        instead = None if self.hook is None else self.hook((output,), output)
        return output if instead is None else instead


class _Tracer(fx.Tracer):  # type: ignore[misc]  # nor here
    """Follows a module's data, and notes what each module inside returns.

    Attributes:
        outputs: by path, in the order in which calls end: each output, and the last node so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[str, list[tuple[Any, fx.Node]]] = {}

    def trace(self, root: Any, concrete_args: Any = None) -> fx.Graph:
        for path, module in root.named_modules():
            if _has_hooks(module) and not self.is_leaf_module(module, path):
                raise TraceError(f"A hook hangs on '{path}'.")
        return super().trace(root, concrete_args)

    def call_module(
        self, m: torch.nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        last = next(iter(reversed(self.graph.nodes)))
        self.outputs.setdefault(self.path_of_module(m), []).append((output, last))
        return output


def _read_instead(source: fx.Node, look: fx.Node) -> None:
    """Let what comes after a look read it, and not what it looks at."""
    node = look.next
    while node.op != "root":
        node.replace_input_with(source, look)
        node = node.next


def _leave_out(graph: fx.Graph, node: Any, instead: Any) -> None:
    node.replace_all_uses_with(instead)
    graph.erase_node(node)


def _only_reader(node: fx.Node) -> fx.Node | None:
    readers = list(node.users)
    return readers[0] if len(readers) == 1 else None


def _found(module: torch.nn.Module, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name)
    return module


def _own_forward(module: Any) -> Any:
    return getattr(type(module), "forward", None)


def _has_hooks(module: Any) -> bool:
    return any(
        (
            module._forward_hooks,
            module._forward_pre_hooks,
            module._backward_hooks,
            module._backward_pre_hooks,
        )
    )
