"""SLIM over neighbours: a sparse linear model, solved in closed form, for catalogues of any size.

Ning and Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011,
https://doi.org/10.1109/ICDM.2011.134; ``local_linear`` has what differs from the paper.
"""

from itertools import product

from torch import Tensor

from models.baselines.local_linear import LocalLinear
from models.baselines.systems import Products, Systems


class SLIM(LocalLinear):
    """Items score by the sum of weights from those items of the history that are their neighbours.

    With G the number of users of each pair of items, the weights from the neighbours N to an item j
    are the solution of (G_NN + ``ridge`` I) w = G_Nj. With all other items as neighbours, they are
    those of EASE.
    """

    link = "https://doi.org/10.1109/ICDM.2011.134"
    version = 2  # before, histories without any score had the first items
    NEIGHBOURS = 100
    variants = tuple(
        {"ridge": ridge, "decay": decay}
        for ridge, decay in product((20.0, 100.0, 300.0, 1000.0), (1.0, 0.9, 0.75, 0.5))
    )

    def of_order(self, systems: Systems, items: Tensor, users: Tensor) -> Products | None:
        return None
