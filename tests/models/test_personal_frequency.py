"""Personal frequency, compared with a plain loop over the history and a sort."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.settings.settings import Settings
from benchmark.training.trainer import Trainer
from datasets.ids import Ids
from datasets.sequences import Sequences
from datasets.splitting.splits import leave_one_out
from models import build
from models.baselines.personal_frequency import PersonalFrequency
from tests.models.test_repeats import N_ITEMS, baskets, padded


@given(
    st.lists(baskets, min_size=1, max_size=4),
    st.lists(st.integers(0, 3), min_size=N_ITEMS, max_size=N_ITEMS),
    st.sampled_from(PersonalFrequency.variants),
)
def test_items_are_ordered_by_their_sum_and_equals_by_popularity(users, bought, variant):
    model = build("PersonalFrequency", N_ITEMS, {})
    items = torch.repeat_interleave(torch.arange(N_ITEMS), torch.tensor(bought))
    model.count(items, torch.zeros_like(items))
    model.use(**variant)
    query = model.queries(padded(users, 24))
    found = torch.cat([model.scores(query, 0, 4), model.scores(query, 4, N_ITEMS)], 1)
    decay, latest = (float(torch.tensor(variant[name])) for name in ("decay", "latest"))
    for user, scores in zip(users, found.tolist(), strict=True):
        keys = []
        for item in range(N_ITEMS):
            total = 0.0
            for age, basket in enumerate(reversed(user)):
                total += decay**age * basket.count(item)
            had = any(item in basket for basket in user)
            if item in user[-1]:
                total *= latest
            # In the history; outside it; or of no weight, which is last whatever its popularity.
            place = 2 if total > 0 else 0 if had else 1
            keys.append((place, round(total, 9), bought[item] if place else 0))
        for a in range(N_ITEMS):
            for b in range(N_ITEMS):
                assert (scores[a] > scores[b]) == (keys[a] > keys[b]), (a, b, keys, scores)


def test_the_variant_that_is_best_on_validation_is_kept():
    """Users alternate two baskets: what lies in the latest one never comes next."""
    users = 12
    items = np.array([[0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1]] * users)
    items += np.arange(users)[:, None] % 5 * 4
    sequences = Sequences(
        items=items.flatten().astype(np.int32),
        offsets=np.arange(users + 1) * 14,
        user_ids=Ids.of(np.arange(users).astype(str)),
        item_ids=Ids.of(np.arange(20).astype(str)),
        timestamps=np.tile(np.repeat(np.arange(7.0), 2), users),
    )
    settings = Settings.of(model="PersonalFrequency")
    trainer = Trainer(settings, sequences, leave_one_out(sequences))
    epochs = list(trainer.epochs())
    assert [epoch.variant for epoch in epochs] == list(PersonalFrequency.variants)
    best = PersonalFrequency.variants[trainer.course.best_epoch - 1]
    assert best["latest"] < 1
    assert {name: float(trainer.best_weights[name]) for name in best} == pytest.approx(best)
