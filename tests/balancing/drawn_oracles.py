"""A second implementation of the gradient aggregators that draw an order or a sign: every outcome that a step may have."""

from __future__ import annotations

import itertools

import numpy as np

from tests.balancing.gradient_oracles import Oracle


class Drawn(Oracle):
    """A method that draws: all outcomes that it may have, each with its own factors and memory. Which one it was, the balancer's update says."""

    def outcomes(self, gradients, rows):
        """Pairs of an update (P,) and what to remember if it was that one."""
        raise NotImplementedError

    def orders(self, count):
        """An order of the others for each task, every combination."""
        return itertools.product(*(itertools.permutations([other for other in range(count) if other != task]) for task in range(count)))

    def remember(self, memory):
        """Take over the memory of the outcome that it was."""


class PCGrad(Drawn):
    """Yu et al., algorithm 1."""

    def outcomes(self, gradients, rows):
        for orders in self.orders(len(rows)):
            total = np.zeros(gradients.shape[1])
            for gradient, order in zip(gradients, orders, strict=True):
                for other in order:
                    along = gradient @ gradients[other]
                    gradient = gradient - min(0.0, along) / (gradients[other] @ gradients[other]) * gradients[other]
                total = total + gradient
            yield total, None


class GradVac(Drawn):
    """Wang et al., algorithm 1: turned until the cosine is the running mean; that mean takes in what the cosine was before."""

    def __init__(self, count, beta=0.01):
        super().__init__(count)
        self.beta, self.usual = beta, np.zeros((count, count))

    def outcomes(self, gradients, rows):
        for orders in self.orders(len(rows)):
            total, usual = np.zeros(gradients.shape[1]), self.usual.copy()
            for place, order in enumerate(orders):
                gradient = gradients[place]
                for other in order:
                    target, at = gradients[other], (rows[place], rows[other])
                    cosine = gradient @ target / np.linalg.norm(gradient) / np.linalg.norm(target)
                    wanted = usual[at]
                    if cosine < wanted:
                        sines = np.sqrt(1 - cosine**2), np.sqrt(1 - wanted**2)
                        factor = np.linalg.norm(gradient) * (wanted * sines[0] - cosine * sines[1]) / (np.linalg.norm(target) * sines[1])
                        gradient = gradient + factor * target
                    usual[at] = (1 - self.beta) * wanted + self.beta * cosine
                total = total + gradient
            yield total, usual

    def remember(self, memory):
        self.usual = memory

    def remembered(self):
        return {"usual": self.usual}


class GradDrop(Drawn):
    """Chen et al. 2020, algorithm 1: number by number the positive or the negative parts, and the leak of all."""

    def outcomes(self, gradients, rows):
        leak = self.options.get("leak", 0.0)
        parts = [leak * gradients.sum(axis=0) + (1 - leak) * np.where(sign * gradients > 0, gradients, 0).sum(axis=0) for sign in (1, -1)]
        for signs in itertools.product((0, 1), repeat=gradients.shape[1]):
            yield np.array([parts[sign][number] for number, sign in enumerate(signs)]), None
