"""The charts over data sets: mean ranks, and quality against cost."""

from dataclasses import replace

import pytest

from benchmark.leaderboards.charts import charts
from benchmark.leaderboards.overall import overall
from tests.benchmark.leaderboards import boards


def test_a_model_has_one_number_in_all_charts():
    ranks, cost = charts(overall(boards.realistic()))
    numbers = {series.name: series.model for series in ranks.panels[0].series if series.name}
    assert len(set(numbers.values())) == len(numbers) == 6
    titles = [panel.title for panel in cost.panels]
    assert titles == ["Seconds of a trial", "Parameters", "Memory", "Energy of a trial"]
    for panel in cost.panels:
        assert all(numbers[s.name] == s.model for s in panel.series if s.name)
    counted = {"Markov", "Popularity"}  # without parameters
    assert {s.name for s in cost.panels[1].series if s.name} == set(numbers) - counted


def test_costs_are_geometric_means_and_the_front_is_drawn():
    _, cost = charts(overall(boards.realistic()))
    seconds = {series.name: series for series in cost.panels[0].series}
    assert seconds["SLIM"].x == [pytest.approx(40 * (1.0 * 0.6 * 2.1) ** (1 / 3))]
    assert seconds["SLIM"].y == [pytest.approx(1)]  # the baseline
    front = seconds[""]
    assert list(front.x) == sorted(front.x)
    assert list(front.y) == sorted(front.y)
    assert len(front.x) >= 3


def test_without_ratios_the_cost_is_set_against_the_mean_rank():
    found = overall(boards.realistic())
    places = tuple(replace(place, ratio=None) for place in found.places)
    _, cost = charts(replace(found, places=places))
    assert cost.title == "Mean rank against cost"
    front = cost.panels[0].series[0]
    assert list(front.y) == sorted(front.y, reverse=True)  # 1 is best
