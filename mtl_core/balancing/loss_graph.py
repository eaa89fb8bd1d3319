"""The graph of several losses, through which their backward passes go side by side, a part at a time."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node


class LossGraph:
    """The nodes between losses and parameters, in an order in which a backward pass can visit them.

    The order depends on the forward pass alone, so ranks with equal networks visit the nodes of the network in equal order.

    Args:
        losses: scalars, each with a graph.
        parameters: those that the passes are to reach. Nodes that lead to none of them are left out.

    Attributes:
        length: number of nodes.
    """

    def __init__(self, losses: Sequence[Tensor], parameters: Sequence[nn.Parameter]):
        wanted = {id(parameter) for parameter in parameters}
        following = _following([loss.grad_fn for loss in losses if loss.grad_fn is not None])
        self._leading: dict[Node, list[GradientEdge]] = {}  # node -> where its gradients go on to
        used: dict[Node, list[int]] = {}
        order = _in_order(following)
        for node in reversed(order):
            leaves = [id(_parameter(edge.node)) for edge in following[node] if edge.node not in following]
            on = [edge for edge in following[node] if edge.node in self._leading]
            if on or not wanted.isdisjoint(leaves):
                self._leading[node], used[node] = on, [leaf for leaf in leaves if leaf in wanted]
        self._order = [node for node in order if node in self._leading]
        self._position = {node: position for position, node in enumerate(self._order)}
        self._uses: dict[int, list[int]] = {}
        for position, node in enumerate(self._order):
            for leaf in used[node]:
                self._uses.setdefault(leaf, []).append(position)
        self.length = len(self._order)

    def uses(self, parameter: nn.Parameter) -> list[int]:
        """Ascending positions of the nodes that give a parameter its gradient; empty if no loss depends on it."""
        return self._uses.get(id(parameter), [])

    def start(self, loss: Tensor) -> dict[GradientEdge, Tensor]:
        """The gradient that a loss's backward pass starts with; empty if the loss leads to no parameter."""
        if loss.grad_fn not in self._position:
            return {}
        return {GradientEdge(loss.grad_fn, loss.output_nr): torch.ones_like(loss)}

    def ways_out(self, begin: int, end: int) -> list[GradientEdge]:
        """Where gradients leave the nodes ``begin`` to ``end`` (exclusive) for later nodes."""
        inside = (edge for node in self._order[begin:end] for edge in self._leading[node])
        return list(dict.fromkeys(edge for edge in inside if self._position[edge.node] >= end))

    def advance(
        self, gradients: dict[GradientEdge, Tensor], end: int, ways_out: Sequence[GradientEdge], parameters: Sequence[nn.Parameter]
    ) -> list[Tensor | None]:
        """Take one loss's ``gradients`` through the nodes before ``end``, in place. Call it within ``closed(ways_out)``. The graph stays usable.

        Returns:
            What these nodes add to the gradients of ``parameters``; None for nothing.
        """
        entering = {edge: gradients.pop(edge) for edge in list(gradients) if self._position[edge.node] < end}
        if not entering or not (ways_out or parameters):
            return [None] * len(parameters)
        places = [*ways_out, *parameters]
        found = torch.autograd.grad(list(entering), places, list(entering.values()), retain_graph=True, allow_unused=True)
        for edge, gradient in zip(ways_out, found, strict=False):
            if gradient is not None:
                gradients[edge] = gradients[edge] + gradient if edge in gradients else gradient
        return list(found[len(ways_out) :])


@contextlib.contextmanager
def closed(ways_out: Sequence[GradientEdge]) -> Iterator[None]:
    """Context in which gradients do not pass the given edges.

    autograd notes the gradient at an edge that is asked for, and goes on from there if a later edge is asked for too: the way around a residual block
    leaves a part of the graph before the block's end does. What went on would be counted twice, here and when the pass continues from the edge.
    """
    handles = [node.register_prehook(_nothing) for node in dict.fromkeys(edge.node for edge in ways_out)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _nothing(gradients: Sequence[Tensor | None]) -> tuple[None, ...]:
    return (None,) * len(gradients)


def _parameter(node: Node) -> Tensor | None:
    """The leaf tensor that a node adds gradients to; None for another node."""
    found = None if node.next_functions else getattr(node, "variable", None)
    return found if isinstance(found, Tensor) else None


def _following(roots: Sequence[Node]) -> dict[Node, list[GradientEdge]]:
    """Every node that is no leaf -> the edges to the nodes after it, leaves included."""
    found: dict[Node, list[GradientEdge]] = {}
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node in found or _parameter(node) is not None:
            continue
        found[node] = [GradientEdge(following, number) for following, number in node.next_functions if following is not None]
        waiting += [edge.node for edge in found[node]]
    return found


def _in_order(following: dict[Node, list[GradientEdge]]) -> list[Node]:
    """The nodes, each after all that lead to it; of those that could be next, the one that the forward pass made last."""
    missing = Counter(edge.node for edges in following.values() for edge in edges)
    numbers = {node: number for number, node in enumerate(following)}
    ready: list[tuple[int, int, Node]] = []
    for node in following:
        if not missing[node]:
            heappush(ready, (-node._sequence_nr(), numbers[node], node))
    order = []
    while ready:
        node = heappop(ready)[2]
        order.append(node)
        for edge in following[node]:
            missing[edge.node] -= 1
            if not missing[edge.node] and edge.node in following:
                heappush(ready, (-edge.node._sequence_nr(), numbers[edge.node], edge.node))
    return order
