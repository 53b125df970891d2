"""Search methods and pruners, which are functions of the stored trials."""

import itertools

import pytest
from optuna.trial import TrialState

from benchmark.sweeps.definition import Definition
from benchmark.sweeps.space import Choice, Interval
from benchmark.sweeps.space_files import SpaceError
from benchmark.sweeps.suggest import METHODS, Method, Point, Pruner, n_points, suggest

GRID = {"learning_rate": Choice((0.1, 0.2)), "norm": Choice(("pre", "post"))}
SPACE = {
    "learning_rate": Interval(1e-4, 1e-1, log=True),
    "dropout": Interval(0.0, 0.5),
    "hidden_size": Interval(32, 128, 32),
    "norm": Choice(("pre", "post")),
}


def search(space, method, n, seed=1):
    """Suggest n points in turn. Scores are highest for learning rates near 0.003."""
    past = []
    for _ in range(n):
        values = suggest(space, method, seed, past)
        score = 1 - abs(values["learning_rate"] - 0.003)
        past.append(Point(values, TrialState.COMPLETE, score))
    return past


def test_a_grid_is_every_combination_once_in_the_order_of_the_file():
    found = search(GRID, "grid", 4)
    assert [tuple(point.values.values()) for point in found] == [
        (0.1, "pre"), (0.1, "post"), (0.2, "pre"), (0.2, "post"),
    ]  # fmt: skip
    assert n_points(GRID, "grid", 20) == 4
    assert suggest(GRID, "grid", 1, found) is None


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_points_lie_in_the_space_and_depend_on_the_past_and_the_seed_alone(method):
    found = search(SPACE, method, 15)
    assert [p.values for p in search(SPACE, method, 15)] == [p.values for p in found]
    assert suggest(SPACE, method, 1, found[:7]) == found[7].values
    assert suggest(SPACE, method, 2, found[:7]) != found[7].values
    for point in found:
        assert list(point.values) == list(SPACE)
        assert 1e-4 <= point.values["learning_rate"] <= 1e-1
        assert 0 <= point.values["dropout"] <= 0.5
        assert point.values["hidden_size"] in (32, 64, 96, 128)
        assert point.values["norm"] in ("pre", "post")


def test_tpe_learns_from_the_scores():
    def late(method):
        points = search({"learning_rate": Interval(0.0, 1.0)}, method, 40)[20:]
        return sum(abs(point.values["learning_rate"] - 0.003) for point in points)

    assert late("tpe") < 0.5 * late("random")


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_no_point_is_drawn_twice_and_a_space_can_be_exhausted(method):
    found = search(GRID, method, 4)
    assert len({tuple(point.values.values()) for point in found}) == 4
    assert suggest(GRID, method, 1, found) is None


TWENTY = {"dropout": Interval(0.0, 0.19, 0.01)}
MODELS = {
    "heads": Choice((1, 2)),
    "model": Choice(("SASRec", "GRU4Rec", "Popularity")),
    "learning_rate": Interval(1e-4, 1e-1, log=True),
}


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_finite_space_is_tried_to_its_last_point(method):
    past = []
    while values := suggest(TWENTY, method, 1, past):
        past.append(Point(values, TrialState.COMPLETE, -values["dropout"]))
    assert sorted(point.values["dropout"] for point in past) == [n / 100 for n in range(20)]


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_each_model_is_tried_with_the_settings_that_it_has(method):
    past = []
    for _ in range(18):
        values = suggest(MODELS, method, 1, past)
        past.append(Point(values, TrialState.COMPLETE, 0.5))
    found = {point.values["model"]: list(point.values) for point in past}
    assert found == {
        "SASRec": ["heads", "model", "learning_rate"],
        "GRU4Rec": ["model", "learning_rate"],
        "Popularity": ["model"],
    }


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_nothing_is_said_by_optuna(method, capfd, recwarn):
    space = SPACE | {"dropout": Interval(0.1, 0.5, 0.15), "hidden_size": Interval(10, 100, 32)}
    assert {point.values["hidden_size"] for point in search(space, method, 12)} == {32, 64, 96}
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_a_sweep_of_an_older_version_goes_on():
    """Its quniform counted from the lower bound, and drew SASRec alone."""
    past = [
        Point({"hidden_size": n, "dropout": 0.15000000000000002}, TrialState.COMPLETE, 0.1)
        for n in (10, 42, 74)
    ]
    space = {"hidden_size": Interval(10, 100, 32), "dropout": Interval(0.05, 0.3, 0.05)}
    assert suggest(space, "tpe", 1, past)["hidden_size"] in (32, 64, 96)
    rate = {"learning_rate": 0.01}
    past = [Point({"heads": 1, "model": "SASRec"} | rate, TrialState.COMPLETE, 0.1)] * 12
    assert suggest(MODELS, "tpe", 1, past)


def test_a_space_of_which_nothing_fits_is_refused():
    for space, method in (
        ({"hidden_size": Interval(9, 11), "dropout": Interval(0.0, 0.5)}, "random"),
        ({"hidden_size": Choice((9, 11))}, "tpe"),
    ):
        with pytest.raises(SpaceError, match="no point of the search space can be tried: hidden_s"):
            Definition(space, method, "none", {"heads": 2}).check()
    inside = {"hidden_size": Interval(63, 129)}  # 64 fits; the ends do not
    Definition(inside, "random", "none", {"heads": 2}).check()
    models = {"model": Choice(("BERT4Rec", "SASRec"))}
    definition = Definition(models, "random", "none", {"recipe": "paper"})
    definition.check()
    (line,) = definition.never_tried()
    assert line.startswith("a model that is never tried: model=SASRec: SASRec has no recipe")


def test_points_that_do_not_fit_are_drawn_again():
    past = []
    while values := suggest(GRID, "random", 1, past, lambda values: values["norm"] == "pre"):
        past.append(Point(values))
    assert sorted(point.values["learning_rate"] for point in past) == [0.1, 0.2]


def test_a_search_method_is_one_function_and_one_line(monkeypatch):
    def backwards(search):
        points = itertools.product(*(choice.values[::-1] for choice in search.space.values()))
        point = next(itertools.islice(points, len(search.past), None), None)
        return point and dict(zip(search.space, point, strict=True))

    monkeypatch.setitem(METHODS, "backwards", Method(backwards, exhaustive=True))
    Definition(GRID, "backwards", "none", {}).check()
    assert n_points(GRID, "backwards", 20) == 4
    found = [tuple(point.values.values()) for point in search(GRID, "backwards", 4)]
    assert found == [(0.2, "post"), (0.2, "pre"), (0.1, "post"), (0.1, "pre")]


def test_an_unknown_method_or_pruner_is_an_error_and_no_other_search():
    for call in (
        lambda: suggest(GRID, "cmaes", 1, []),
        lambda: n_points(GRID, "cmaes", 1),
        lambda: Pruner("secateurs", []),
    ):
        with pytest.raises(KeyError):
            call()
    with pytest.raises(ValueError, match="no search method is called 'cmaes'; there are: grid, ra"):
        Definition(GRID, "cmaes", "none", {})
    with pytest.raises(ValueError, match="no pruner is called 'secateurs'; there are: none, med"):
        Definition(GRID, "grid", "secateurs", {})


def complete(*curve):
    return Point({}, TrialState.COMPLETE, max(curve), list(curve))


def test_the_median_pruner_stops_what_is_worse_than_the_median_in_the_same_epoch():
    past = [complete(0.1, 0.2 + i / 100, 0.3) for i in range(5)]
    prune = Pruner("median", past)
    assert [prune(1, 0.2), prune(2, 0.15), prune(3, 0.29)] == [False, True, True]
    assert not Pruner("median", past[:4])(1, 0.0)  # five trials have to end first
    assert not Pruner("none", past)(1, 0.0)


def test_halving_keeps_the_best_quarter_at_each_rung():
    past = [complete(*[i / 10] * 5) for i in range(1, 9)]
    prune = Pruner("halving", past)
    assert not prune(1, 0.85)
    assert prune(4, 0.15)
    assert Pruner("halving", past)(1, 0.05)
    stopped = Point({}, TrialState.PRUNED, 0.9, [0.9])
    assert not Pruner("halving", [*past, stopped])(1, 0.9)
