"""Read a PyTorch module as a graph of `seewhy.incremental`, through `torch.export`.

What is not one of the graph's kinds becomes a dense operation that calls PyTorch's own: always
right. The user's module is not touched: what is read is a shallow copy in evaluation mode, which
shares the weights.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.incremental.graph import Graph, Input, Node, Operation, Rest
from seewhy.networks.pytorch.fast import operations

FAILURES = (
    RuntimeError, ValueError, TypeError, AttributeError, AssertionError, LookupError,
)  # fmt: skip
"""What `torch.export` raises for modules that it cannot read."""


def lower(
    module: torch.nn.Module,
    *,
    size: tuple[int, int],
    channels: int = 3,
    call: Callable[..., Any] | None = None,
) -> Graph:
    """Return the module's graph for inputs of one size.

    Args:
        module: a network of convolutions, in any mode; it is left as it is.
        size: height and width of the input.
        channels: of the input.
        call: how the module is called, `call(module, images)`, if not `module(images)`.

    Raises:
        ModelError: the module cannot be exported, computes in another precision than float32, or
            changes a value in place through a view.
    """
    example = next(iter(module.parameters()), torch.zeros(()))
    if example.dtype != torch.float32:
        raise ModelError(
            f"The module computes in {example.dtype}; only float32 can be re-run window by window."
        )
    called = _UserCall(_evaluation_copy(module, {}), call)
    images = torch.zeros(2, channels, *size, device=example.device)
    batch = torch.export.Dim("batch")
    try:
        with torch.no_grad():
            program = torch.export.export(called, (images,), dynamic_shapes=({0: batch},))
    except FAILURES as error:
        reason = str(error).strip().splitlines()
        raise ModelError(
            "The module cannot be read by torch.export: "
            f"{reason[0] if reason else type(error).__name__}"
        ) from error
    return _ProgramLowering(program).graph()


class _UserCall(torch.nn.Module):  # type: ignore[misc]  # PyTorch has no types here
    """The module under one name, called as the user calls it."""

    def __init__(self, module: torch.nn.Module, call: Callable[..., Any] | None) -> None:
        super().__init__()
        self.module = module
        self.call = call
        self.training = False

    def forward(self, images: Any) -> Any:
        """Call the module."""
        return self.module(images) if self.call is None else self.call(self.module, images)


def _evaluation_copy(module: torch.nn.Module, done: dict[int, torch.nn.Module]) -> torch.nn.Module:
    """Copy the tree of modules in evaluation mode; weights and everything else are shared."""
    if id(module) not in done:
        twin = copy.copy(module)
        done[id(module)] = twin
        twin.__dict__["training"] = False
        twin.__dict__["_modules"] = {
            name: None if child is None else _evaluation_copy(child, done)
            for name, child in module._modules.items()
        }
    return done[id(module)]


class _ProgramLowering:
    """The lowering of one exported program, node by node."""

    def __init__(self, program: Any) -> None:
        self.nodes: list[Node] = []
        self.numbers: dict[Any, int] = {}
        self.constants: dict[Any, Any] = {}
        self.tuples: dict[Any, Any] = {}
        self.layers: dict[str, int] = {}
        self.program = program
        self.symbol: Any = None

    def graph(self) -> Graph:
        """Walk, and return the graph."""
        signature = self.program.graph_signature
        names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        lifted = getattr(signature, "inputs_to_lifted_tensor_constants", {})
        output: Any = None
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                if node.name in names or node.name in lifted:
                    self.constants[node] = self._stored(names.get(node.name) or lifted[node.name])
                elif "val" in node.meta and torch.is_tensor(node.meta["val"]):
                    self.symbol = node.meta["val"].shape[0].node.expr
                    self._append(node, Input(), ())
            elif node.op == "call_function":
                self._call(node)
            elif node.op == "output":
                output = node.args[0]
        return self._with_output(output)

    def _stored(self, name: str) -> Any:
        if name in self.program.state_dict:
            return self.program.state_dict[name].detach()
        return self.program.constants[name]

    def _with_output(self, output: Any) -> Graph:
        """Take the softmax or sigmoid off the end."""
        end = output[0] if isinstance(output, (tuple, list)) and output else output
        scores, pair = None, False
        while operations.kind(end) in ("softmax", "sigmoid") and end.args[0] in self.numbers:
            end = end.args[0]
        if end in self.numbers and len(end.meta["val"].shape) == 2:
            scores = self.numbers[end]
            pair = end.meta["val"].shape[-1] == 1  # where it is one of two classes
        return Graph(tuple(self.nodes), scores, self.layers, pair)

    def _call(self, node: Any) -> None:
        """Lower one operation of the exported program."""
        value = node.meta.get("val")
        tensors = [each for each in node.all_input_nodes if each in self.numbers]
        if any(each.op == "get_attr" for each in node.all_input_nodes):
            raise ModelError(
                f"The module holds a part that cannot be read by torch.export: {node.target}."
            )
        if not torch.is_tensor(value):
            if isinstance(value, (tuple, list)):
                self.tuples[node] = node
            return
        if not tensors and not any(each in self.tuples for each in node.all_input_nodes):
            self.constants[node] = self._run(node, 1, {})
            return
        if node.target is operator.getitem:
            self._take(node)
        else:
            put_back = self._put_back(node)
            lowered = self._lowered(node) if put_back is None else put_back
            if isinstance(lowered, int):
                self.numbers[node] = lowered
                self._name(node, lowered)
            elif lowered is not None:
                for operation, sources in lowered[:-1]:
                    self._append(node, operation, sources)
                self._append(node, *lowered[-1])
            else:
                self._rest(node, node)
        if operations.is_in_place(node):
            self._overwrite(node)

    def _take(self, node: Any) -> None:
        """Lower one part of an operation that returns several: of a split, the channels."""
        many, index = node.args
        split = operations.split_channels(many, index)
        source = many.args[0] if many.args else None
        if split is not None and source in self.numbers and self.is_map(source):
            self._append(node, split, (self.numbers[source],))
        else:
            self._rest(node, many, index)

    def _overwrite(self, node: Any) -> None:
        """Let later readers of what was overwritten in place read the new value."""
        target = node.args[0]
        if self.numbers.get(target) == self.numbers.get(node):
            return  # nothing was done: dropout
        if target not in self.numbers or operations.is_view(target):
            raise ModelError(
                f"The module changes a value in place through a view ({node.format_node()}), "
                "which cannot be re-run window by window."
            )
        if any(operations.is_view(user) and user in self.numbers for user in target.users):
            raise ModelError(
                f"The module changes a value in place that a view shows ({node.format_node()}), "
                "which cannot be re-run window by window."
            )
        self.numbers[target] = self.numbers[node]

    def _lowered(self, node: Any) -> Any:
        """Return the node's number, or operations with their sources; None: not known."""
        lower_one = operations.TORCH_LOWERINGS.get(operations.kind(node))
        value = node.meta["val"]
        first = node.args[0] if node.args else None
        if lower_one is None or not self._is_batched(value):
            return None
        if lower_one is operations.unchanged and first in self.numbers:
            return lower_one(self, node)
        read = first if not isinstance(first, (tuple, list)) else first[0]
        if read not in self.numbers and len(node.args) > 1:
            read = node.args[1]
        if read not in self.numbers or not self.is_map(read):
            return None
        return lower_one(self, node)

    def _put_back(self, node: Any) -> int | None:
        """Return the number of x[:, i] for the unsqueeze that puts its axis back."""
        if operations.kind(node) != "unsqueeze" or node.args[1] != 1:
            return None
        number = self.numbers.get(node.args[0])
        return number if number is not None and self.nodes[number].is_map else None

    def _is_batched(self, value: Any) -> bool:
        """Say whether a value's first axis is the batch, and no other depends on it."""
        size = value.shape[0] if len(value.shape) else 1
        return hasattr(size, "node") and size.node.expr == self.symbol

    def is_map(self, node: Any) -> bool:
        """Say whether a value is a batch of maps."""
        value = node.meta["val"]
        return (
            len(value.shape) == 4
            and self._is_batched(value)
            and all(isinstance(size, int) for size in value.shape[1:])
        )

    def _append(
        self,
        node: Any,
        operation: Operation | operations.IntermediateOperation,
        sources: tuple[int, ...],
    ) -> None:
        """Add an operation whose output is the node's, or leads to it."""
        shape = tuple(node.meta["val"].shape[1:])
        if self.is_map(node):
            shape = (shape[1], shape[2], shape[0])
        elif not all(isinstance(size, int) for size in shape) or len(shape) == 3:
            shape = (0,)
        if isinstance(operation, operations.IntermediateOperation):
            shape, operation = operation.shape, operation.operation
        self.nodes.append(Node(_name(node), operation, sources, shape))
        self.numbers[node] = len(self.nodes) - 1
        self._name(node, self.numbers[node])

    def _name(self, node: Any, number: int) -> None:
        """Remember the number as the output, so far, of every module around the node."""
        for path, _ in (node.meta.get("nn_module_stack") or {}).values():
            name = path.partition("module.")[2] if path.startswith("module") else path
            if name:
                self.layers[name] = number

    def _rest(self, node: Any, runs: Any, index: int | None = None) -> None:
        """Add a dense operation that runs a node as PyTorch does."""
        sources = [each for each in runs.all_input_nodes if each in self.numbers]
        numbers = tuple(self.numbers[each] for each in sources)
        maps = [self.nodes[number].is_map for number in numbers]
        gives_map = self.is_map(node)

        def call(batch: int, *tensors: Any) -> Any:
            native = [
                each.permute(0, 3, 1, 2).contiguous() if is_map else each
                for each, is_map in zip(tensors, maps, strict=True)
            ]
            result = self._run(runs, batch, dict(zip(sources, native, strict=True)))
            result = result if index is None else result[index]
            return result.permute(0, 2, 3, 1) if gives_map else result

        constants = [self.constants[x] for x in runs.all_input_nodes if x in self.constants]
        rest = Rest(
            name=operations.kind(runs) or _name(node),
            call=call,
            multiply_adds=operations.multiply_adds(runs),
            parameters=sum(each.numel() for each in constants),
        )
        self._append(node, rest, numbers)

    def _run(self, node: Any, batch: int, tensors: dict[Any, Any]) -> Any:
        """Call a node's own function, with `batch` copies."""

        overwrites = operations.is_in_place(node)

        def given(argument: Any) -> Any:
            known = tensors if argument in tensors else self.constants
            if argument in known:
                return known[argument].clone() if overwrites else known[argument]
            value = argument.meta["val"]
            if isinstance(value, torch.SymInt):
                return int(value.node.expr.subs(self.symbol, batch))
            if isinstance(value, (int, float, bool)):
                return value
            return self._run(argument, batch, tensors)

        args = torch.fx.node.map_arg(node.args, given)
        kwargs = torch.fx.node.map_arg(node.kwargs, given)
        # The strides of a map may differ from those that the module was exported with.
        target = torch.ops.aten.reshape.default if _is_view(node.target) else node.target
        return target(*args, **kwargs)

    def constant(self, node: Any) -> ndarray | None:
        """Return a stored tensor as an array; None for what is computed."""
        if node is None or node not in self.constants:
            return None
        array: ndarray = self.constants[node].detach().float().cpu().numpy()
        return array


def _is_view(target: Any) -> bool:
    return target in (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default)


def _name(node: Any) -> str:
    """Return the innermost module's name, or the operation's."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = stack[-1][0] if stack else ""
    name: str = path.partition("module.")[2] if path.startswith("module") else path
    return name or str(node.name)
