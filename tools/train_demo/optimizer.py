"""Muon for the matrices, Adam for the rest; the learning-rate schedule; running averages of weights."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

# Not hidden matrices in Muon's sense: look-up tables, modulations and outputs; and large ones that it would be slow on.
_ADAM_NAMES = ("embed", "adaLN", "final_layer", "pad_token", "heads", "merger")
_MUON_DECAY = 0.02
_MOMENTUM = 0.95


def rate_factor(step: int, steps: int, decay: float) -> float:
    """Share of the full learning rate: a short warm-up, a hold, and a straight way down over the last part."""
    warm_up = min(1.0, (step + 1) / max(1, 0.02 * steps))
    return warm_up * min(1.0, (steps - step) / max(1.0, decay * steps))


def _orthogonalise(matrices: Tensor, iterations: int) -> Tensor:
    """Moves the singular values of each wide matrix near 1 (the Newton-Schulz iteration of Muon)."""
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


class MuonAdam:
    """One optimiser for a whole network; parameters of one shape are orthogonalised in one batch."""

    def __init__(
        self, named: Iterable[tuple[str, nn.Parameter]], muon_rate: float, adam_rate: float, iterations: int = 4
    ) -> None:
        self.muon_rate, self.adam_rate, self.iterations = muon_rate, adam_rate, iterations
        self.matrices: dict[tuple[int, int], list[nn.Parameter]] = {}
        self.momentum: dict[tuple[int, int], Tensor] = {}
        rest = []
        for name, weight in named:
            hidden = not any(word in name for word in _ADAM_NAMES)
            if hidden and weight.ndim in (2, 4) and min(weight.shape[:2]) >= 16:
                rows, columns = sorted(weight.flatten(1).shape)
                self.matrices.setdefault((rows, columns), []).append(weight)
            else:
                rest.append(weight)
        self.adam = torch.optim.AdamW(rest, lr=adam_rate, betas=(0.9, 0.97), weight_decay=0.0)

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One step at the given share of the full learning rates; clears the gradients."""
        for group in self.adam.param_groups:
            group["lr"] = self.adam_rate * factor
        self.adam.step()
        for shape, weights in self.matrices.items():
            # The layer behind the encoder's used states never gets a gradient.
            used = [w for w in weights if w.grad is not None]
            if used:
                self._muon_step(shape, used, self.muon_rate * factor)
        self.clear()

    def _muon_step(self, shape: tuple[int, int], weights: list[nn.Parameter], rate: float) -> None:
        flat = [w.grad.flatten(1) for w in weights]
        gradient = torch.stack([g if g.shape[0] <= g.shape[1] else g.T for g in flat])
        momentum = self.momentum.setdefault(shape, torch.zeros_like(gradient))
        momentum.lerp_(gradient, 1 - _MOMENTUM)
        update = _orthogonalise(gradient.lerp(momentum, _MOMENTUM), self.iterations)
        for weight, direction in zip(weights, update):
            rows, columns = weight.flatten(1).shape
            if rows > columns:
                direction = direction.T
            scale = max(1, rows / columns) ** 0.5
            weight.mul_(1 - rate * _MUON_DECAY).add_(direction.reshape(weight.shape), alpha=-rate * scale)

    def clear(self) -> None:
        """Drops all gradients."""
        self.adam.zero_grad(set_to_none=True)
        for weights in self.matrices.values():
            for weight in weights:
                weight.grad = None

    def state(self) -> dict:
        """Everything a checkpoint needs."""
        return {"momentum": self.momentum, "adam": self.adam.state_dict()}

    def load(self, state: dict) -> None:
        """Takes back what `state` gave."""
        self.momentum = state["momentum"]
        self.adam.load_state_dict(state["adam"])


class RunningAverage:
    """Exponentially averaged copies of networks: smoother than the weights themselves, and what is exported."""

    def __init__(self, networks: list[nn.Module], decay: float) -> None:
        self.networks, self.decay, self.updates = networks, decay, 0
        self.averages = [copy.deepcopy(n).eval().requires_grad_(False) for n in networks]

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the present weights; the first ones count more, so that the start is forgotten soon."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 9))
        for network, average in zip(self.networks, self.averages):
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
