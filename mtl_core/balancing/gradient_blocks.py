"""The scalar products of the tasks' gradients block by block: all tasks pass one block of shared parameters before the next.

Only one block of the Jacobian is in memory at a time. At the end of a block each task's backward pass rests, and its gradients there are kept. The
update is one more backward pass through the shared network, of the gradients that enter it, each multiplied by its task's factor. The forward pass
is the step's own and runs once. Hooks on tensors inside the shared network run once for each pass, so they run more often than otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from mtl_core.balancing.loss_graph import LossGraph, closed
from mtl_core.ranks import ALONE, Ranks
from mtl_core.sharing.model import MultiTaskModel, trained


@dataclass(frozen=True)
class TaskProducts:
    """What is known of the gradients of the T' tasks that take part in an update, without the gradients.

    Attributes:
        gramian: (T', T'), the gradients' scalar products.
        losses: (T',), detached.
        rows: (T',) indices of these tasks among all tasks of the run.
        ends: (N,) ends of the N shared parameters in the flat gradient (P,).
        parts: (N, T', T'), the scalar products of each parameter's part.
    """

    gramian: Tensor
    losses: Tensor
    rows: Tensor
    ends: Tensor
    parts: Tensor

    def gramian_of(self, part: slice) -> Tensor:
        """(T', T') scalar products of a part of the flat gradients that holds whole parameters."""
        return self.parts[(self.ends > part.start) & (self.ends <= part.stop)].sum(dim=0)


class ByBlocks:
    """As ``AtParameters``, for methods that need the scalar products only. A block holds at most as many numbers as the largest shared parameter."""

    def __init__(self, model: MultiTaskModel, ranks: Ranks = ALONE):
        self.model, self.places, self.ranks = model, trained(model.shared_parameters()), ranks
        self.reached: list[bool] = []
        self.entering: list[dict[GradientEdge, Tensor]] = []  # for each task, its gradients where they enter the shared network

    def task_gradients(self, losses: Sequence[Tensor], rows: Tensor) -> TaskProducts:
        """Compute the scalar products and fill ``.grad`` of the tasks' own parameters. Both are added up over the ranks."""
        present = [losses[row] for row in rows.tolist()]
        own = [trained(self.model.task_parameters(self.model.tasks[row])) for row in rows.tolist()]
        graph = LossGraph(present, [*self.places, *(parameter for parameters in own for parameter in parameters)])
        passes = _Passes(graph, present, [[*self.places, *parameters] for parameters in own])
        first = min((uses[0] for place in self.places if (uses := graph.uses(place))), default=graph.length)
        passes.finish(first)
        self.entering = [dict(gradients) for gradients in passes.gradients]
        parts = self._parts(graph, passes)
        passes.finish(graph.length)
        for parameters, found in zip(own, passes.found, strict=True):
            gradients = self.ranks.sum_present([found.get(id(parameter)) for parameter in parameters], parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
        self.reached = self.ranks.any_over([bool(graph.uses(place)) for place in self.places])
        ends = torch.tensor([place.numel() for place in self.places], dtype=torch.int64).cumsum(0).to(parts.device)
        return TaskProducts(parts.sum(dim=0), torch.stack([loss.detach() for loss in present]), rows, ends, parts)

    def apply(self, coefficients: Tensor, longest: float) -> float:
        """Write the combination of the gradients into ``.grad`` of the shared parameters, and free the graph.

        Args:
            coefficients: (T',) factors on the tasks' gradients.
            longest: largest norm of the update; 0 for no limit.

        Returns:
            The factor in 0..1 that shortened the update.
        """
        for place in self.places:
            place.grad = None
        factors = coefficients.tolist()
        largest = max(map(abs, factors)) or 1.0  # inside the pass no factor is above 1, so that none makes a gradient in fp16 overflow
        summed: dict[GradientEdge, Tensor] = {}
        for factor, gradients in zip(factors, self.entering, strict=True):
            for edge, gradient in gradients.items():
                own = gradient.to(torch.promote_types(gradient.dtype, torch.float32)) * (factor / largest)
                summed[edge] = summed[edge].add_(own) if edge in summed else own
        kinds = {edge: gradient.dtype for gradients in self.entering for edge, gradient in gradients.items()}
        self.entering = []
        if summed and self.places:
            torch.autograd.backward(list(summed), [gradient.to(kinds[edge]) for edge, gradient in summed.items()], inputs=self.places)
        self.ranks.sum_gradients(self.places)
        return self._scale(largest, longest)

    def apply_nan(self) -> None:
        """Write NaN into ``.grad`` of the shared parameters that a present task uses."""
        self.entering = []
        for place, is_reached in zip(self.places, self.reached, strict=True):
            place.grad = torch.full_like(place, float("nan")) if is_reached else None

    def finish(self) -> None:
        """Add a plain backward pass up over the ranks; it has filled ``.grad`` already."""
        self.ranks.sum_gradients(self.model.parameters())

    def _parts(self, graph: LossGraph, passes: _Passes) -> Tensor:
        """The scalar products (N, T', T') of each parameter's part of the gradients."""
        count = len(passes.found)
        parts = torch.zeros(len(self.places), count, count, device=passes.device)
        block_size = max((place.numel() for place in self.places), default=0)
        rows = torch.empty(count, block_size, device=passes.device)
        for block in self._blocks(graph, block_size):
            places = [self.places[number] for number in block]
            sizes = [place.numel() for place in places]
            end = 1 + max(uses[-1] if (uses := graph.uses(place)) else -1 for place in places)
            for row, found in zip(rows, passes.advance(end), strict=True):
                for part, place in zip(row[: sum(sizes)].split(sizes), places, strict=True):
                    gradient = found.pop(id(place), None)
                    if gradient is None:
                        part.zero_()
                    else:
                        part.view(place.shape).copy_(gradient)
            whole = self.ranks.sum_over(rows[:, : sum(sizes)])
            for number, part in zip(block, whole.split(sizes, dim=1), strict=True):
                parts[number] = part @ part.T
        return parts

    def _blocks(self, graph: LossGraph, size: int) -> list[list[int]]:
        """Numbers of the shared parameters by block, in the order in which a backward pass is done with them; the same on all ranks."""
        done = [uses[-1] if (uses := graph.uses(place)) else -1 for place in self.places]
        blocks: list[list[int]] = []
        free = 0
        for number in self.ranks.agree_on(sorted(range(len(done)), key=done.__getitem__)):
            needed = self.places[number].numel()
            if needed > free:
                blocks.append([])
                free = size
            blocks[-1].append(number)
            free -= needed
        return blocks

    def _scale(self, factor: float, longest: float) -> float:
        """Multiply ``.grad`` by ``factor``, and shorten it to a norm of ``longest``. Returns by how much it was shortened."""
        gradients = [place.grad for place in self.places if place.grad is not None]
        shrink = 1.0
        if longest and gradients:
            norm = factor * float(nn.utils.get_total_norm(gradients))
            shrink = min(1.0, longest / norm) if norm else 1.0
        for gradient in gradients if factor * shrink != 1.0 else ():
            gradient.mul_(factor * shrink)
        return shrink


class _Passes:
    """The tasks' backward passes, all at the same place of the graph.

    Attributes:
        gradients: of each task, at the edges where its pass goes on.
        found: for each task, the gradients that its parameters have so far: id of a parameter -> gradient.
    """

    def __init__(self, graph: LossGraph, losses: Sequence[Tensor], parameters: Sequence[Sequence[nn.Parameter]]):
        self.graph, self.parameters, self.position = graph, parameters, 0
        self.device = losses[0].device
        self.gradients = [graph.start(loss) for loss in losses]
        self.found: list[dict[int, Tensor]] = [{} for _ in losses]

    def advance(self, end: int) -> Iterator[dict[int, Tensor]]:
        """Go on to the node at ``end``, one task after another. Yields each task's entry of ``found``."""
        begin, self.position = self.position, max(self.position, end)
        ways_out = self.graph.ways_out(begin, self.position)
        with closed(ways_out):
            for gradients, parameters, found in zip(self.gradients, self.parameters, self.found, strict=True):
                used = [each for each in parameters if any(begin <= use < self.position for use in self.graph.uses(each))]
                for parameter, gradient in zip(used, self.graph.advance(gradients, self.position, ways_out, used), strict=True):
                    if gradient is not None:
                        before = found.get(id(parameter))
                        found[id(parameter)] = gradient if before is None else before + gradient
                yield found

    def finish(self, end: int) -> None:
        """Go on to the node at ``end``."""
        for _ in self.advance(end):
            pass
