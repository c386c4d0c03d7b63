"""nngan/checks.py: what is no number at all is refused like a wrong one."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from games import fit, game

import nngan as nn
from nngan import checks, command_line, threads

NO_COUNTS = ["x", "3", None, math.nan, math.inf, 2.5, 0, -1, [3], np.float32(0.5)]


@pytest.mark.parametrize("n", NO_COUNTS, ids=repr)
def test_a_count_is_a_whole_number_from_one_on(n):
    with pytest.raises(ValueError, match=r"^n must be a positive whole number, got "):
        checks.positive_int("n", n)


@pytest.mark.parametrize("n", ["x", None, math.nan, math.inf, 2.5, -1, 2**64], ids=repr)
def test_a_seed_is_a_whole_number_of_64_bits(n):
    with pytest.raises(ValueError, match=r"^seed must be a whole number in \[0, 2\*\*64\), got "):
        checks.uint64("seed", n)


@pytest.mark.parametrize("name", ["c", "", None, 3, ["a"], {}], ids=repr)
def test_a_name_is_one_of_the_known(name):
    with pytest.raises(ValueError, match=r"^loss must be one of a, b, got "):
        checks.one_of("loss", name, {"a": 1, "b": 2})
    assert checks.one_of("loss", "b", ("a", "b")) == "b"


@pytest.mark.parametrize("value", ["x", None, math.nan, -1, [0.5], 1j], ids=repr)
def test_a_number_of_another_kind_is_refused_like_one_out_of_range(value):
    for check, wanted in (
        (checks.positive, "must be a positive number"),
        (checks.nonnegative, "must be a number >= 0"),
        (checks.fraction, r"must lie in \[0, 1\)"),
    ):
        with pytest.raises(ValueError, match=rf"^lr {wanted}, got "):
            check("lr", value)


@pytest.mark.parametrize("ends", [None, 1, "ab", (0,), (0, 1, 2), (1, 0), (0, math.nan), "x"])
def test_an_interval_is_a_pair_in_order(ends):
    with pytest.raises(
        ValueError, match=r"^data_range must be \(low, high\) with low < high, got "
    ):
        checks.interval("data_range", ends)
    assert checks.interval("data_range", [-1, np.float32(1)]) == (-1, 1)


@pytest.mark.parametrize("n", [3, 3.0, np.int64(3), np.uint8(3), np.float32(3)], ids=repr)
def test_a_whole_number_may_have_any_type_and_becomes_an_int(n):
    for check in checks.positive_int, checks.uint64:
        assert check("n", n) == 3
        assert type(check("n", n)) is int


def test_layers_and_games_say_what_they_want():
    for make, name in (
        (lambda: nn.Linear("x", 2), "n_in"),
        (lambda: nn.Maxout(None, 2), "n_out"),
        (lambda: nn.BatchNorm(math.nan), "n"),
        (lambda: game().sample("x"), "n"),
        (lambda: fit(game(), epochs=math.inf), "epochs"),
    ):
        with pytest.raises(ValueError, match=rf"^{name} must be a positive whole number, got "):
            make()


def test_ctrl_c_ends_a_program_without_a_traceback(capsys):
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        command_line.run_main(main)
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "\nStopped.\n"
    with pytest.raises(SystemExit) as ended:
        command_line.run_main(lambda: 3)
    assert ended.value.code == 3


def test_a_long_value_is_not_repeated_whole(capsys):
    with pytest.raises(SystemExit):
        command_line.OneSentenceParser("p").error(f"the run {'x' * 5000}: go on")
    assert len(capsys.readouterr().err) < 1000


def test_an_error_without_a_file_is_a_sentence():
    one_sentence = command_line.one_sentence
    assert one_sentence(OSError(28, "No space left")) == "No space left"
    assert one_sentence(OSError(28, "No space left", "a.png")) == "a.png: No space left"


@pytest.mark.parametrize(
    ("given", "spins"),
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, None),  # the choice of whoever started the program
    ],
)
def test_threads_that_wait_soon_sleep_before_numpy_is_loaded(given, spins):
    program = (
        "import os, sys, nngan.commands\n"
        "def call(*_):\n"
        "    print('numpy' in sys.modules, os.environ.get('GOMP_SPINCOUNT'))\n"
        "    return 0\n"
        "nngan.commands.call = call\n"
        "nngan.commands.run()"
    )
    kept = {k: v for k, v in os.environ.items() if k not in threads.OF_THE_USER}
    done = subprocess.run(
        [sys.executable, "-c", program, "train"],
        capture_output=True, text=True, check=True,
        env={**kept, "PYTHONPATH": str(Path(__file__).parents[1]), **given},
    )  # fmt: skip
    assert done.stdout.split() == ["False", str(spins)]


WAITS = """
import time; from nngan.command_line import run_main
def main():
    print("ready", flush=True)
    time.sleep(3600)
run_main(main)
"""


@pytest.mark.parametrize("asked", [True, False])
def test_a_process_stops_with_the_pipe_of_its_parent_if_it_was_asked_to(asked):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE,
        env=environment | ({command_line.PARENT: "yes"} if asked else {}),
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == "ready\n"
        process.stdin.close()
        if asked:
            assert process.wait(600) == 130
            assert process.stderr.read() == "\nStopped.\n"
        else:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.kill()


@pytest.mark.parametrize(
    ("check", "right", "wrong", "words"),
    [
        (checks.sequence, (1, 2), 5, "must be a sequence, got 5"),
        (checks.sequence, np.arange(2), np.array(1), r"must be a sequence, got array\(1\)"),
        (checks.sequence, [], "ab", "must be a sequence, got 'ab'"),
        (checks.sequence, [3], {1: 2}, "must be a sequence, got "),
        (checks.mapping, {}, [1], r"must be a mapping such as a dict, got \[1\]"),
        (checks.function, len, "len", "must be a function, got 'len'"),
        (checks.path, Path("a"), 5, "must be a path, got 5"),
        (checks.classes, [int, str], int, "must be a sequence of classes"),
        (checks.classes, (), [5], "must be a sequence of classes"),
        (
            checks.float_dtype,
            np.dtype("f8"),
            "float16",
            "must be float32 or float64, got 'float16'",
        ),
        (checks.number, -1.5, math.inf, "must be a finite number, got inf"),
        (
            checks.nonnegative,
            3e38,
            10**400,
            "must lie between .* and 3.4e[+]38, got about 1e400",
        ),
        (checks.positive, 2.0**-149, 1e-320, "must be at least 1.4e-45, got 1e-320"),
        (checks.positive_int, 2**31 - 1, 10**400, r"must be less than 2\*\*31, got about 1e400"),
        (checks.array, np.ones(2), [1.0], r"must be an array, got list: pass numpy.asarray\("),
        (
            checks.array,
            np.ones(2, complex),
            np.ones(2, bool),
            "must be an array of numbers, got dtype bool: convert it with n.",
        ),
        (checks.array_like, [[1, 2]], [[1, 2], [3]], r"is no array of numbers \("),
        (checks.array_like, [1, 2.5], ["a"], "must be an array of numbers, got dtype <U1$"),
        (checks.array_like, np.float32(1), [1j], "must be an array of numbers, got dtype complex"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_the_arguments_name(check, right, wrong, words):
    assert np.array_equal(check("n", right), list(right) if check is checks.classes else right)
    with pytest.raises((ValueError, TypeError), match=rf"^n {words}"):
        check("n", wrong)


def test_a_number_that_python_does_not_write_is_written():
    """Python refuses to write more than 4,300 digits."""
    with pytest.raises(ValueError, match=r"^n must be a positive whole number, got about -1e5000$"):
        checks.positive_int("n", -(10**5000))


def test_an_array_may_be_asked_for_its_dimensions_and_its_dtype():
    assert checks.array("x", ONES, 2, "f") is ONES
    with pytest.raises(ValueError, match=r"^x must have 1 dimension, got shape \(4, 2\)"):
        checks.array("x", ONES, 1)
    with pytest.raises(TypeError, match=r"^x must be an array of floats, got dtype int"):
        checks.array("x", np.arange(3), kinds="f")


@pytest.mark.parametrize("counts", [[0, 2, 6], [1, 1, 0]])
def test_a_class_without_a_reference_is_infinitely_far(counts):
    """And one without samples adds nothing, whether it has a reference or not."""
    kl = nn.metrics.kl_divergence(np.array(counts, float), np.array([0.0, 1.0, 3.0]))
    assert kl == (math.inf if counts[0] else 0)


ONES = np.ones((4, 2), np.float32)


def back(layer, dy):
    layer.backward(dy, layer.forward(ONES)[1])


MISTAKES = {
    "n must be a positive whole number, got -1": lambda: nn.datasets.ring(-1),
    "n must be a positive whole number, got 1.5": lambda: nn.datasets.ring(1.5),
    "seed must be a whole number": lambda: nn.datasets.ring(5, seed=-1),
    r"centers must have shape \(K, 2\), got \(3,\)": lambda: nn.datasets.Mixture([1, 2, 3], 1),
    r"centers must have shape \(K, 2\), got \(\) of <U1": lambda: nn.datasets.Mixture("x", 1),
    "std must be a number >= 0": lambda: nn.datasets.Mixture([[1, 2]], -1),
    "is a folder: add the name of a file": lambda: game().save(""),
    "Adam has no network: pass it to a GAN first": lambda: nn.Adam().step(),
    "schedule must be None, .* got 5": lambda: nn.Adam(schedule=5),
    "schedule must be None, .* got .'linear', '5'.": lambda: nn.Adam(schedule=("linear", "5")),
    "weight_init must be one of .* got None": lambda: nn.Linear(2, 3, None),
    "weight_init must be one of .* got .'normal', 'x'.": lambda: nn.Linear(2, 3, ("normal", "x")),
    "slope must lie in .0, 1., got 'x'": lambda: nn.LeakyReLU("x"),
    "momentum must lie in .0, 1., got 'x'": lambda: nn.BatchNorm(3, momentum="x"),
    "pieces must be less than 32768": lambda: nn.Maxout(2, 40_000),
    "dtype must be float32 or float64, got 'x'": lambda: nn.Sequential(nn.Linear(2, 3), dtype="x"),
    "wants dy of 4 rows, as x had, got 5": lambda: back(
        nn.Linear(2, 3), np.ones((5, 3), np.float32)
    ),
    "logits must be an array, got list": lambda: nn.bce_with_logits([0.5], 1),
    "x must be an array, got list: pass": lambda: nn.Sequential(nn.Linear(2, 3)).forward(
        [[1.0, 2.0]]
    ),
    "config, a game's description, must be a dict, got 5": lambda: nn.GAN.from_config(5),
    "data_range must be .low, high.": lambda: game(data_range=(0, math.inf)),
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_gets_a_sentence_of_ours(words):
    with pytest.raises((ValueError, TypeError, AttributeError, OSError), match=words) as error:
        MISTAKES[words]()
    assert "\n" not in str(error.value)
