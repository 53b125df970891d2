"""The random numbers of a trial: of shuffling, of masks and negatives, and of dropout."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from benchmark.training import workers


class Randomness:
    """Each epoch has seeds of its own, from the trial's seed and the number of the epoch.

    An epoch therefore does not depend on earlier draws. The processes of a shared trial draw the
    same order and the same masks. Each draws its own dropout, from torch's own generator.
    """

    def __init__(self, seed: int, device: torch.device):
        self.seed = seed
        self.device = device
        self.shuffling = torch.Generator()
        self.masking = torch.Generator()
        self.interrupted: Mapping[str, Tensor] = {}  # the states within an epoch that resumes

    def begin(self, epoch: int, *, resumes: bool) -> None:
        """Seed all generators for an epoch, from 0; one that ``resumes`` in its middle continues
        from the restored states."""
        seeds = np.random.SeedSequence([self.seed, epoch]).spawn(3)
        shuffling, masking, dropout = (int(s.generate_state(1, np.uint64)[0]) for s in seeds)
        self.shuffling.manual_seed(shuffling)
        self.masking.manual_seed(masking)
        torch.manual_seed((dropout + workers.number()) % 2**64)
        states, self.interrupted = self.interrupted, {}
        if resumes and states:
            self.masking.set_state(states["masking"])
            torch.set_rng_state(states["cpu"])
            if "device" in states:
                torch.cuda.set_rng_state(states["device"], self.device)

    def state(self) -> dict[str, Tensor]:
        """The states of the generators between two steps."""
        states = {"masking": self.masking.get_state(), "cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["device"] = torch.cuda.get_rng_state(self.device)
        return states

    def restore(self, states: Mapping[str, Tensor]) -> None:
        """Continue from these states when the interrupted epoch begins."""
        self.interrupted = states
