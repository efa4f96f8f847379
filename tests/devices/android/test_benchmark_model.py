"""What is read from the output of benchmark_model, and the flags it is given. The outputs are recorded."""

import math

import pytest

from autotune.config import Runtime
from autotune.devices.android import benchmark_model as tool
from tests.devices.android.stand_in_adb import RECORDED


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text()


def test_times_of_a_run() -> None:
    """Initialisation, the very first inference, and what follows the warm-up, in microseconds; memory in bytes."""
    run = tool.Run.parse(recorded("xnnpack"))
    assert (run.init_us, run.first_us) == (1184, 903)
    assert run.regular == tool.Statistics(121, 401, 517, 412.1, 403, 410, 431)
    assert run.memory_bytes == round(3.41406 * 2**20)


def test_an_older_build_says_less() -> None:
    """No level before a line, no percentiles, another word for memory, and numbers such as 1.38e+06."""
    run = tool.Run.parse(recorded("old"))
    assert (run.init_us, run.first_us) == (1507, 1381510)
    assert run.regular == tool.Statistics(3, 1379877, 1382244, 1380710, None, None, None)
    assert run.regular.times() == [1380710]
    assert run.memory_bytes == round(2.25 * 2**20)
    assert tool.delegation(recorded("old"), "xnnpack") == tool.Delegation(None, 16)


@pytest.mark.parametrize("count", [2, 3, 7, 20, 21, 50, 121, 1000])
def test_times_have_the_percentiles_that_were_told(count: int) -> None:
    """They are as many as the inferences, and those whose rank is known are exact."""
    real = sorted(400 + 7 * math.log(1 + index) + index % 3 for index in range(count))
    at = {percent: real[count * percent // 100] for percent in (5, 50, 95)}
    told = tool.Statistics(count, real[0], real[-1], sum(real) / count, at[5], at[50], at[95])
    times = told.times()
    assert len(times) == count
    assert times == sorted(times)
    assert (times[0], times[-1]) == (real[0], real[-1])
    assert {percent: times[count * percent // 100] for percent in (5, 50, 95)} == at


def test_up_to_three_times_are_told_exactly() -> None:
    """The smallest, the median and the largest are all there are."""
    assert tool.Statistics(3, 10, 40, 20, 10, 12, 40).times() == [10, 12, 40]


def test_equal_times_are_told_by_one() -> None:
    """The tool then says no more than curr."""
    assert tool.Statistics.parse("count=4 curr=77(all same) p5=77 median=77 p95=77").times() == [77] * 4
    assert tool.Statistics.parse("count=1 curr=77 p5=77 median=77 p95=77").times() == [77]


@pytest.mark.parametrize("name", ["no_model", "gpu_refused", "fixed_batch"])
def test_half_a_run_is_none(name: str) -> None:
    """Nothing is made up where the tool stopped."""
    with pytest.raises(ValueError, match="told no times"):
        tool.Run.parse(recorded(name))


def test_the_other_benchmark_model_is_told_apart() -> None:
    """LiteRT has two tools of this name; the other one's times lack initialisation and delegates."""
    with pytest.raises(ValueError, match="tflite/tools/benchmark"):
        tool.Run.parse(recorded("litert_tools"))


def test_why_a_run_failed() -> None:
    """The errors themselves, with what follows them; not that it failed."""
    assert tool.problem(recorded("no_model")).startswith("The model is not a valid Flatbuffer buffer; Failed to load")
    refused = tool.problem(recorded("gpu_refused"))
    assert refused.endswith("Failed to apply GPU delegate.")
    assert "No selector for argmax" in refused
    several = tool.problem(
        "ERROR: Following operations are not supported:\nSPLIT: no.\nINFO: so\nERROR: Benchmarking failed."
    )
    assert several == "Following operations are not supported: SPLIT: no."
    assert (
        tool.problem("STARTING!\nFailed to apply GPU delegate.\nBenchmarking failed.\n")
        == "Failed to apply GPU delegate."
    )
    assert tool.problem("sh: not found\n") == "sh: not found"
    assert tool.problem("") == ""


def test_a_delegate_that_the_tool_left_out_is_noticed() -> None:
    """It ends well all the same, on the CPU."""
    assert tool.unused(recorded("gpu_absent"), "gpu").endswith("GPU acceleration is unsupported on this platform.")
    assert tool.unused(recorded("hexagon"), "hexagon").endswith("Unconsumed cmdline flags: --use_hexagon=true")
    for name in ("xnnpack", "builtin", "gpu", "nnapi"):
        assert tool.unused(recorded(name), name) == ""


def test_what_a_delegate_took() -> None:
    """Of all operators of the file, and which kinds it left."""
    assert tool.delegation(recorded("xnnpack_profile"), "xnnpack") == tool.Delegation(16, 16)
    left = ("SPLIT", "Fully Connected (NC, F32) GEMM", "Softmax (NC, F32)")
    assert tool.delegation(recorded("gpu_profile"), "gpu") == tool.Delegation(16, 13, left)


def test_a_delegate_that_took_nothing() -> None:
    """All is run by others, here by XNNPACK, whose share is not the delegate's."""
    found = tool.delegation(recorded("nnapi_profile"), "nnapi")
    assert (found.operators, found.delegated) == (16, 0)
    assert found.fell_back[0] == "Convolution (NHWC, F32) IGEMM x 5"


def test_without_a_delegate_there_is_nothing_to_fall_back() -> None:
    """The profile still counts the operators."""
    assert tool.delegation(recorded("builtin_profile"), "builtin") == tool.Delegation(8, None)


def test_the_profile_of_a_table() -> None:
    """Times in microseconds, one after the other; a name may hold commas."""
    rows = tool.operators(recorded("builtin_profile"))
    assert [row.kind for row in rows][:5] == ["CONV_2D", "CONV_2D", "CONV_2D", "ADD", "SPLIT"]
    assert rows[4].name == "functional_1/split, functional_1/split:1"
    assert rows[1].time_us == pytest.approx(421)
    assert rows[1].start_us == pytest.approx(rows[0].time_us)
    assert {row.delegate for row in rows} == {""}


def test_the_profile_of_csv() -> None:
    """Kinds may hold commas; who ran an operator is told by its name or its kind."""
    rows = tool.operators(recorded("gpu_profile"))
    assert [row.delegate for row in rows] == ["gpu", "", "xnnpack", "xnnpack"]
    assert rows[1].name == "functional_1/split, functional_1/split:1"
    assert rows[2].kind == "Fully Connected (NC, F32) GEMM"
    assert rows[2].time_us == pytest.approx(1.9)


def test_a_table_that_tells_starts() -> None:
    """As older builds do."""
    text = (
        "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
        "=== Run Order ===\n"
        "\t[node type]\t[start]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]\n"
        "\tCONV_2D\t0.500\t4.2\t4.269\t50%\t50%\t0.000\t1\t[a]\n"
        "\tSOFTMAX\t9.000\t4.2\t1.000\t50%\t100%\t0.000\t1\t[b]:7\n\nmore"
    )
    assert [(row.name, row.start_us, row.time_us) for row in tool.operators(text)] == [
        ("a", 500, 4269),
        ("b", 9000, 1000),
    ]


def test_a_run_without_profile_has_none() -> None:
    """Nor is that of the initialisation taken for it."""
    assert tool.operators(recorded("xnnpack")) == []
    first = recorded("xnnpack_profile").partition("Operator-wise")[0]
    assert "Run Order" in first
    assert tool.operators(first) == []


def test_flags_of_each_delegate() -> None:
    """The built-in kernels have to be asked for: XNNPACK is the default."""
    found = {name: tool.arguments("/m", Runtime(name, 2), runs=3, limit=40) for name in tool.DELEGATES}
    assert all(
        {"--graph=/m", "--num_threads=2", "--num_runs=3", "--max_secs=40"} <= set(flags) for flags in found.values()
    )
    chosen = {name: next(flag for flag in flags if flag.startswith("--use_")) for name, flags in found.items()}
    assert chosen == {
        "xnnpack": "--use_xnnpack=true",
        "builtin": "--use_xnnpack=false",
        "gpu": "--use_gpu=true",
        "nnapi": "--use_nnapi=true",
        "hexagon": "--use_hexagon=true",
    }


def test_flags_of_the_warm_up() -> None:
    """One inference at least, or none."""
    flags = tool.arguments("/m", Runtime(), runs=1, seconds=0.05, warm_up=0.02, limit=40)
    assert {"--warmup_runs=1", "--warmup_min_secs=0.02", "--min_secs=0.05"} <= set(flags)
    assert {"--warmup_runs=0", "--warmup_min_secs=0"} <= set(tool.arguments("/m", Runtime(), runs=1, limit=40))


def test_flags_of_values() -> None:
    """The shape goes with them: a file may be resized to several samples."""
    assert tool.reading((100, 32, 32, 3), "/in", "/out") == [
        "--input_layer=input",
        "--input_layer_shape=100,32,32,3",
        "--input_layer_value_files=input:/in",
        "--output_filepath=/out",
    ]


def test_flags_of_whole_numbers() -> None:
    """An index of 0 is in every table; those that the tool would draw are not."""
    assert tool.zeros((1, 16)) == [
        "--input_layer=input",
        "--input_layer_shape=1,16",
        "--input_layer_value_range=input,0,0",
    ]
