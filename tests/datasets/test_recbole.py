"""RecBole's configuration files: the data that they describe, or one line of error."""

import math
import operator

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datasets import DataError
from datasets.prepare import load
from datasets.specs import recbole, spec
from datasets.splitting.temporal import Temporal

HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


def atomic_file(rows) -> str:
    return HEADER + "".join("\t".join(map(str, row)) + "\n" for row in rows)


def config(here, **content) -> str:
    (here / "card.yaml").write_text(yaml.safe_dump(content))
    return "card.yaml"


ROWS = [(f"u{user}", f"i{item}", 1 + item % 5, item) for user in range(4) for item in range(6)]


def test_a_data_set_that_is_not_known_is_found_where_recbole_has_it(here):
    path = config(here, val_interval={"rating": "(1,inf)"}, user_inter_num_interval=None)
    with pytest.raises(
        DataError, match=r"mine: no file found, .*: place mine/mine.inter or mine.inter in data"
    ):
        load("mine", None, path)
    (here / "data").mkdir()
    (here / "data/mine.inter").write_text(atomic_file(ROWS))
    described, sequences = load("mine", None, path)
    assert (described.name, described.title, described.split) == ("mine", "mine", "leave-one-out")
    assert sequences.n_items == 4  # i0 and i5 have a rating of 1
    (here / "data/mine").mkdir()
    (here / "data/mine/mine.inter").write_text(atomic_file(ROWS[:18]))
    assert load("mine", None, path)[1].n_users == 3


@pytest.mark.process
def test_prepared_alone_they_have_a_card_in_our_words(run_command, here):
    path = config(here, val_interval={"rating": "(1,4]"}, user_inter_num_interval=None)
    (here / "mine.inter").write_text(atomic_file(ROWS))
    words = ["mine", "--data-dir", ".", "--recbole-config", path]
    done = run_command("python", "-m", "datasets.prepare", *words)
    assert done.returncode == 0, done.stderr
    page = (here / done.stdout.split("card: ")[1].strip()).read_text()
    (here / "ours.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    ours, theirs = load("ours.yaml", "."), load("mine", ".", path)
    assert ours[1].digest == theirs[1].digest
    assert ours[0].filters == theirs[0].filters


BENCHMARK = {
    "benchmark_filename": ["learn", "dev", "eval"],
    "load_col": {"inter": ["user_id", "item_id"]},
}


def test_a_split_of_three_files_is_found_where_recbole_has_it(here, capsys):
    path = config(here, **BENCHMARK)
    with pytest.raises(
        DataError, match=r"place mine/mine.learn.inter and mine/mine.dev.inter and mine/mine.eval"
    ):
        load("mine", None, path)
    folder = here / "data/mine"
    folder.mkdir(parents=True)
    header = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
    for name, rows in (
        ("learn", ["s a b", "s a,b c", "t b a"]),  # as RecBole writes sessions: one row each prefix
        ("dev", ["s a,b,c d"]),
        ("eval", ["v c,d a"]),
    ):
        lines = [row.replace(" ", "\t").replace(",", " ") for row in rows]
        (folder / f"mine.{name}.inter").write_text(header + "\n".join(lines))
    described, sequences = load("mine", None, path)
    split = described.split_of(sequences)
    trained = [
        "".join(sequences.item_ids[sequences.items[start:end]])
        for start, end in zip(split.train_starts, split.train_ends, strict=True)
    ]
    assert trained == ["abc", "ba", ""]
    for targets, user, history, target in (
        (split.valid, "s", "abc", "d"),
        (split.test, "v", "cd", "a"),
    ):
        (start,), (end,), (at,) = targets.starts, targets.ends, targets.positions
        assert sequences.user_ids[targets.users].tolist() == [user]
        assert "".join(sequences.item_ids[sequences.items[start:end]]) == history
        assert sequences.item_ids[sequences.items[at]] == target


@pytest.mark.parametrize("name", ["", "..", "../mine", "a/b", "a\nb", "x" * 101])
def test_a_name_that_leaves_the_data_folder_is_refused(here, name):
    with pytest.raises(DataError, match="no data set can be called"):
        load(name, None, config(here))


def test_sources_are_the_named_data_set_s_and_filters_are_not(here):
    found = recbole.read_spec("ml-1m", config(here))
    assert found.sources == spec.read("ml-1m").sources
    assert found.filters == spec.Filters()
    found = recbole.read_spec("ml-1m-temporal", config(here, item_inter_num_interval="[1,inf)"))
    assert (found.split, found.title) == ("leave-one-out", "MovieLens-1M, split by time")


def test_the_cards_of_the_published_data_sets_are_the_data_sets_that_are_shipped(here):
    core = dict.fromkeys(recbole.K_CORE_KEYS, "[10,inf)")
    for name, values in (
        ("ml-1m", {"rating": "[3,inf)"}),
        ("amazon-books", {"rating": "[3,inf)", "timestamp": "[1490000000,inf)"}),
    ):
        assert recbole.read_spec(name, config(here, val_interval=values, **core)) == spec.read(name)


@pytest.mark.parametrize("group_by", [None, "none", "None", "-"])
def test_ratios_in_time_order_are_the_temporal_split(here, group_by):
    args = {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "TO", "group_by": group_by, "mode": "full"}
    assert recbole.read_spec("ml-1m", config(here, eval_args=args)).split == "temporal"


TIME_SPLIT = {"split": {"TS": [0.7, 0.1, 0.2]}, "order": "TO"}


@pytest.mark.parametrize("group_by", [{}, {"group_by": None}, {"group_by": "user"}])
def test_recboles_time_split_asks_for_every_interaction_after_the_cut(here, group_by):
    found = recbole.read_spec("ml-1m", config(here, eval_args=TIME_SPLIT | group_by))
    assert found.split == "temporal"
    assert found.temporal == Temporal(0.7, 0.8, "successive")
    again = recbole.read_spec("ml-1m", config(here, eval_args=LEAVE_ONE_OUT))
    assert (again.split, again.temporal) == ("leave-one-out", Temporal())


def test_ratios_are_the_shares_of_the_cut_points(here):
    args = {"split": {"RS": [6, 2, 2]}, "order": "TO", "group_by": None}
    found = recbole.read_spec("ml-1m", config(here, eval_args=args))
    assert (found.split, found.temporal) == ("temporal", Temporal(0.6, 0.8))


LEAVE_ONE_OUT = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"}
USER_KEY, ITEM_KEY = recbole.K_CORE_KEYS
CORE = dict.fromkeys(recbole.K_CORE_KEYS, "[5,inf)")
TIMES = {"val_interval": {"timestamp": "[1,inf)"}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"USER_ID_FIELD": "session_id"}, "USER_ID_FIELD cannot be 'session_id': no other name"),
        ({"TIME_FIELD": None}, "TIME_FIELD cannot be None: no other name"),
        ({"field_separator": ","}, "field_separator cannot be ',': columns of"),
        ({"repeatable": False}, "repeatable cannot be False: items of the"),
        ({"rm_dup_inter": False}, "rm_dup_inter cannot be False: it should be first, last or"),
        ({"benchmark_filename": ["train", "test"]}, "['train', 'test']: it should name three"),
        ({"benchmark_filename": ["a"]}, "benchmark_filename cannot be ['a']: it should name three"),
        ({"benchmark_filename": ["a", "b", "../c"]}, "it should name three files, for training"),
        ({"benchmark_filename": ["a", "b", "a"]}, "it should name three files, for training"),
        ({"eval_setting": "RO_RS,full"}, "eval_setting cannot be 'RO_RS,full': it belongs"),
        ({"lowest_val": {"rating": 3}}, "lowest_val cannot be {'rating': 3}: it belongs"),
        ({"min_user_inter_num": 5}, "min_user_inter_num cannot be 5: it belongs to old"),
        ({"val_interval": "[3,inf)"}, "val_interval cannot be '[3,inf)': it should be a mapping"),
        ({"val_interval": {"age": "[3,9]"}}, "val_interval cannot be {'age': '[3,9]'}: only rati"),
        ({"val_interval": {"rating": 3}}, "val_interval.rating cannot be 3: it should be an"),
        ({"val_interval": {"rating": "3"}}, "val_interval.rating cannot be '3': it should be an"),
        ({"val_interval": {"rating": "[3,4"}}, "val_interval.rating cannot be '[3,4': it should"),
        ({"val_interval": {"rating": "[a,4]"}}, "val_interval.rating cannot be '[a,4]': it should"),
        ({"val_interval": {"rating": "[4,3]"}}, "the interval '[4,3]' is empty"),
        ({"val_interval": {"rating": "[1,2]; (3,3]"}}, "the interval '(3,3]' is empty"),
        ({"val_interval": {"rating": "[nan,3]"}}, "the interval '[nan,3]' is empty"),
        ({"val_interval": {"rating": "[1,2];[4,5]"}}, "a gap between them are not supported"),
        ({"val_interval": {"rating": "[1,2];"}}, "'[1,2];': it should be an interval"),
        ({USER_KEY: "[5,50]"}, "user_inter_num_interval cannot be '[5,50]': only a"),
        ({USER_KEY: "[inf,inf]"}, "the interval '[inf,inf]' is empty"),
        ({ITEM_KEY: 5}, "item_inter_num_interval cannot be 5: it should be an interval"),
        ({"load_col": ["user_id"]}, "load_col cannot be ['user_id']: it should be a mapping"),
        ({"load_col": {"inter": ["user_id"]}}, "it should include item_id, timestamp"),
        ({"load_col": {"inter": 3}}, "load_col.inter cannot be 3: it should include user_id"),
        (
            {
                "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
                "val_interval": {"rating": "[3,inf)"},
            },
            "load_col.inter cannot be ['user_id', 'item_id', 'timestamp']: it should include",
        ),
        ({"eval_args": "TO"}, "eval_args cannot be 'TO': it should be a mapping"),
        ({"eval_args": {"mode": "uni100"}}, "eval_args.mode cannot be 'uni100': all items are"),
        ({"eval_args": {"mode": {"test": "pop100"}}}, "eval_args.mode cannot be {'test': 'po"),
        ({"eval_args": LEAVE_ONE_OUT | {"order": "RO"}}, "eval_args.order cannot be 'RO': sequen"),
        ({"eval_args": {"split": {"LS": "valid_and_test"}}}, "be 'RO' (RecBole's default): sequen"),
        ({"eval_args": LEAVE_ONE_OUT | {"split": {"LS": "test_only"}}}, "eval_args.split cann"),
        ({"eval_args": LEAVE_ONE_OUT | {"split": {"TS": [0.8, 0.2, 0]}}}, "eval_args.split cann"),
        ({"eval_args": LEAVE_ONE_OUT | {"split": {"TS": "valid"}}}, "three ratios above 0"),
        ({"eval_args": LEAVE_ONE_OUT | {"split": {"RS": [0.7, 0.3]}}}, "eval_args.split cann"),
        ({"eval_args": LEAVE_ONE_OUT | {"split": ["TS"]}}, "eval_args.split cannot be ['TS']"),
        (
            {"eval_args": TIME_SPLIT | {"group_by": "session"}},
            "eval_args.group_by cannot be 'session': RecBole groups TS by user",
        ),
        ({"eval_args": {"order": "TO"}}, "eval_args.group_by cannot be 'user' (RecBole's default)"),
    ],
)  # fmt: skip
def test_what_would_be_other_data_or_another_protocol_is_one_line(here, content, message):
    with pytest.raises(DataError) as caught:
        recbole.read_spec("ml-1m", config(here, **content))
    said = str(caught.value)
    assert said.startswith("card.yaml: ")
    assert message in said
    assert len(said.splitlines()) == 1


def test_what_is_no_configuration_is_one_line(here):
    (here / "card.yaml").write_text("- a\n")
    with pytest.raises(DataError, match=r"card.yaml: a configuration should be a mapping, not \['"):
        recbole.read_spec("ml-1m", "card.yaml")
    with pytest.raises(DataError, match=r"nowhere.yaml: no such file"):
        recbole.read_spec("ml-1m", "nowhere.yaml")
    (here / "card.yaml").write_text("")
    assert recbole.read_spec("ml-1m", "card.yaml").filters == spec.Filters()


def test_values_of_generated_data_cannot_be_filtered_and_their_core_can(here):
    with pytest.raises(DataError, match=r"card.yaml: val_interval: demo is synthetic"):
        load("demo", None, config(here, **TIMES))
    assert recbole.read_spec("demo", config(here, **CORE)).filters.k_core == 5


def test_users_and_items_may_have_other_minima_and_pairs_may_be_kept_once(here):
    found = recbole.read_spec("ml-1m", config(here, **CORE | {ITEM_KEY: "[4,inf)"}))
    assert found.filters == spec.Filters(k_core=(5, 4))
    found = recbole.read_spec("ml-1m", config(here, **{USER_KEY: "(5,inf)"}))
    assert found.filters == spec.Filters(k_core=(6, 1))
    found = recbole.read_spec("ml-1m", config(here, rm_dup_inter="last"))
    assert found.filters == spec.Filters(duplicates="last")


# --- intervals

ENDS = st.sampled_from(["-inf", "-2", "0", "1", "1.5", "2", "3", "1e1", "inf"])
PARTS = st.tuples(st.sampled_from("[("), ENDS, ENDS, st.sampled_from("])"))
NEAR = [x for end in (-2, 0, 1, 1.5, 2, 3, 10) for x in (math.nextafter(end, -99), end, end + 0.25)]
NEAR += [math.nextafter(x, 99) for x in NEAR] + [-1e308, 1e308]


def inside(number: float, part: tuple[str, str, str, str]) -> bool:
    """As RecBole compares them."""
    after = operator.ge if part[0] == "[" else operator.gt
    before = operator.le if part[3] == "]" else operator.lt
    return after(number, float(part[1])) and before(number, float(part[2]))


@given(st.lists(PARTS, min_size=1, max_size=3), st.sampled_from(["", " "]))
def test_an_interval_has_the_numbers_that_it_has_for_recbole(parts, space):
    text = f"{space};{space}".join(f"{a}{low}{space},{high}{b}" for a, low, high, b in parts)
    wanted = [any(inside(number, part) for part in parts) for number in NEAR]
    try:
        found = recbole.filters_and_split({"val_interval": {"rating": text}}, "f")[0].rating
    except DataError:
        found = None
    empty = any(not any(inside(number, part) for number in NEAR) for part in parts)
    in_order = sorted(zip(NEAR, wanted, strict=True))
    gap = " " in "".join("x" if keep else " " for _, keep in in_order).strip()
    assert (found is None) == (empty or gap)
    if found:
        assert [found[0] <= number <= found[1] for number in NEAR] == wanted


@given(st.sampled_from("[("), st.integers(-3, 30) | st.floats(0, 30))
def test_counts_from_k_on_are_a_k_core(bracket, k):
    text = f"{bracket}{k},inf)"
    found = recbole.filters_and_split(dict.fromkeys(recbole.K_CORE_KEYS, text), "f")[0].k_core
    kept = [n for n in range(1, 40) if inside(n, (bracket, str(k), "inf", ")"))]
    assert found == kept[0]
