"""Search spaces in RecBole's format, in YAML, and with mistakes."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.sweeps import space
from benchmark.sweeps.space import Choice, Interval
from benchmark.sweeps.space_files import SpaceError


@pytest.fixture
def read(tmp_path):
    def read(text, name="hyper.test"):
        path = tmp_path / name
        path.write_text(text)
        return space.read(path)

    return read


@pytest.mark.parametrize(
    ("line", "name", "dimension"),
    [
        ("learning_rate choice [0.0003, 5e-4,.001]", "learning_rate", (0.0003, 0.0005, 0.001)),
        ("learning_rate in [0.01,0.005]", "learning_rate", (0.01, 0.005)),
        ("learning_rate choice[ 0.01 , 0.005 ]  # two", "learning_rate", (0.01, 0.005)),
        ("layers choice [1, 2, 2]", "layers", (1, 2)),
        ("hidden_size choice [64.0]", "hidden_size", (64,)),
        ("norm choice ['pre', \"post\"]", "norm", ("pre", "post")),
        ("norm choice [pre,post]", "norm", ("pre", "post")),
        ("attn_dropout_prob choice [0.2]", "attention_dropout", (0.2,)),
        ("MAX_ITEM_LIST_LENGTH choice [50]", "max_length", (50,)),
        ("dropout uniform 0,0.5", "dropout", Interval(0.0, 0.5)),
        ("dropout uniform 0.1 , 0.5", "dropout", Interval(0.1, 0.5)),
        ("hidden_size quniform 32, 128, 32", "hidden_size", Interval(32, 128, 32)),
        ("epochs uniform 5, 10", "epochs", Interval(5, 10)),
        (
            "learning_rate loguniform -8,-4",
            "learning_rate",
            Interval(math.exp(-8), math.exp(-4), log=True),
        ),
    ],
)
def test_a_line_of_a_hyper_test(read, line, name, dimension):
    found = read(f"\n  # a comment\n{line}\n")
    expected = Choice(dimension) if isinstance(dimension, tuple) else dimension
    assert found == {name: expected}
    assert [type(v) for v in vars(found[name]).values()] == [
        type(v) for v in vars(expected).values()
    ]


def test_yaml_says_the_same(read):
    found = read(
        "learning_rate: {loguniform: [1e-4, 1.0e-2]}\ndropout: {uniform: [0, 0.5]}\n"
        "hidden_size: {quniform: [32, 128, 32]}\nnorm: [pre, post]\nlayers: {choice: [1, 2]}\n",
        "space.yaml",
    )
    assert found == {
        "learning_rate": Interval(1e-4, 1e-2, log=True),
        "dropout": Interval(0.0, 0.5),
        "hidden_size": Interval(32, 128, 32),
        "norm": Choice(("pre", "post")),
        "layers": Choice((1, 2)),
    }


def test_a_quniform_has_the_multiples_of_its_step(read):
    """As in hyperopt and RecBole, and as they are written: 3 * 0.05 is 0.15000000000000002."""
    found = read(
        "hidden_size quniform 10, 100, 32\ndropout quniform 0.1, 0.3, 0.05\n"
        "learning_rate quniform 0.001, 0.0021, 0.0005\nlayers uniform 1, 3\n"
    )
    assert [dimension.values for dimension in found.values()] == [
        (32, 64, 96), (0.1, 0.15, 0.2, 0.25, 0.3), (0.001, 0.0015, 0.002), (1, 2, 3)
    ]  # fmt: skip
    assert space.size(found) == 3 * 5 * 3 * 3
    assert space.size(read("hidden_size quniform 10, 100, 32\ndropout uniform 0, 0.5\n")) is None


@pytest.mark.parametrize("name", ["hyper.test", "space.yaml"])
def test_a_space_is_echoed_as_its_file_has_it(read, name):
    text = {
        "hyper.test": ["learning_rate loguniform -8, -4  # wide", "model in [sasrec, 'GRU4Rec']"],
        "space.yaml": [
            "learning_rate: {loguniform: [5e-4, 0.01]}",
            "model: [sasrec, GRU4Rec]",
            "dropout: {quniform: [0.1, 0.5, 0.1]}",
        ],
    }[name]
    found = read("\n".join(text), name)
    assert space.echo(found) == text
    assert found["model"] == Choice(("SASRec", "GRU4Rec"))


def test_a_point_has_the_settings_of_its_model_alone():
    searched = {
        "heads": Choice((1, 2)),
        "model": Choice(("SASRec", "GRU4Rec", "Popularity")),
        "dropout": Choice((0.1, 0.2)),
    }
    assert [tuple(point.values()) for point in space.points(searched)] == [
        (1, "SASRec", 0.1), (1, "SASRec", 0.2), ("GRU4Rec", 0.1), ("GRU4Rec", 0.2), ("Popularity",),
        (2, "SASRec", 0.1), (2, "SASRec", 0.2),
    ]  # fmt: skip
    assert space.size(searched) == 7


def test_a_space_is_written_as_it_was_read(read):
    text = [
        "learning_rate loguniform -8, -4",
        "dropout uniform 0.1, 0.5",
        "hidden_size quniform 32, 128, 32",
        "norm choice [pre, post]",
    ]
    assert space.lines(read("\n".join(text))) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "hyper.test: the search space is empty: expected lines such as"),
        ("# nothing\n\n", "the search space is empty"),
        ("learning_rat choice [1]", "hyper.test:1: learning_rat: no such setting; there are: dat"),
        (
            "\nlayers choice [two]",
            "hyper.test:2: layers cannot be 'two': it should be an integer, at least 1",
        ),
        ("layers choice [1.5]", "layers cannot be 1.5: it should be an integer"),
        ("layers choice [0]", "layers cannot be 0: it should be an integer, at least 1"),
        ("norm choice [1]", "norm cannot be 1: it should be one of post, pre"),
        ("norm choice [middle]", "norm cannot be 'middle': it should be one of post, pre"),
        ("dropout choice [nan]", "dropout cannot be nan: it should be a finite number, at least 0"),
        (
            "dropout uniform 0.1, 1.5",
            "dropout cannot be 1.5: it should be a finite number, at least 0 and below 1",
        ),
        ("dropout uniform 0.5, 0.1", "dropout: 0.5 is not below 0.1"),
        ("dropout uniform 0.1", "dropout: uniform needs low, high: found 0.1"),
        ("dropout uniform low, high", "dropout: uniform needs low, high: found low, high"),
        ("norm uniform 1, 2", "norm: uniform is for numbers: list the values to choose from"),
        ("layers quniform 1, 4, 0", "layers: a step of 0"),
        ("layers quniform 1, 4, 0.5", "layers: a step of 0.5 between integers"),
        ("layers quniform 5, 7, 4", "layers: no multiple of 4 lies between 5 and 7"),
        ("seed quniform 1, 2, 1", "seed: cannot be searched"),
        ("layers choice [1000000000]", "layers cannot be 1000000000: it should be an integer, at"),
        ("warmup_steps uniform 0, 1e308", "warmup_steps cannot be 1000000000"),
        ("negatives choice [18446744073709551616]", "negatives cannot be 18446744073709551616: it"),
        ("warmup_steps loguniform -3, 4", "a logarithmic scale of whole numbers begins at 1"),
        ("learning_rate loguniform 1, 1000", "e to the 1000 is too large: bounds are exponents"),
        ("layers choice []", "layers: no value to choose from"),
        ("layers choice [1,,2]", "layers: a comma without a value before it"),
        ("layers choice [1 2]", "layers: expected [VALUE, ...], found '[1 2]'"),
        ("layers choice [1, 2", "layers: expected [VALUE, ...], found '[1, 2'"),
        ("layers choice 1, 2", "layers: expected [VALUE, ...], found '1, 2'"),
        ("norm choice ['pre]", "norm: a quote that does not end"),
        ("layers normal 1, 2", "hyper.test:1: expected 'NAME choice [VALUE, ...]' or uniform"),
        ("layers: [1, 2]", "hyper.test:1: expected 'NAME choice [VALUE, ...]' or uniform"),
        ("layers choice [1]\nn_layers choice [2]", "hyper.test:2: layers: it is given twice"),
        ("seed choice [1, 2]", "seed: cannot be searched: --seeds gives the number"),
        ("history choice [ranked, masked]", "history: cannot be searched: results under two"),
        ("layers choice [__import__('os').system('true')]", "layers: expected [VALUE, ...]"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(read, text, message):
    with pytest.raises(SpaceError) as caught:
        read(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the search space is empty"),
        ("- 1", "expected 'NAME: [VALUE, ...]' lines"),
        ("layers: 1", "layers: expected [VALUE, ...] or {uniform: [LOW, HIGH]}"),
        ("layers: [true]", "layers: expected [VALUE, ...]"),
        ("layers: {normal: [1, 2]}", "layers: expected [VALUE, ...]"),
        ("layers: [1", "cannot be read as YAML"),
        ("layers: !!python/object/apply:os.system [true]", "cannot be read as YAML"),
        ("learning_rate: {loguniform: [-8, -4]}", "a logarithmic scale cannot begin at -8"),
        ("[" * 5000, "cannot be read as YAML"),
    ],
)
def test_a_mistake_in_yaml_too(read, text, message):
    with pytest.raises(SpaceError) as caught:
        read(text, "space.yml")
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(SpaceError, match="the search space cannot be read: No such file"):
        space.read(tmp_path / "none.test")
    (tmp_path / "binary.test").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpaceError, match="the search space cannot be read: 'utf-8'"):
        space.read(tmp_path / "binary.test")


@given(st.text(alphabet="learning_ate choiun[],'\"#.0123-e\n", max_size=60))
def test_whatever_is_written_it_is_a_space_or_an_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "fuzz.test"
    path.write_text(text)
    with contextlib.suppress(SpaceError):
        assert space.read(path)
