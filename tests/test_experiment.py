"""Experiments: the file, the command line over it, and what comes of both."""

import re
from pathlib import Path
from typing import Any

import pytest

from autotune.errors import UserError
from autotune.experiment import read, settings_of
from autotune.model.trust import Trust
from autotune.space.space import Categorical
from autotune.task.inference import check_names
from autotune.testing import FakeDevice

EXPERIMENTS = sorted(Path(__file__).parents[1].glob("experiments/*.yaml"))


def arguments(**given: Any) -> dict[str, Any]:
    """A run with these options, and others that are not given."""
    return {"experiment": None, "targets": None, "trials": None, "dir": None, "trust": False} | given


class Board(FakeDevice):
    """A device with these delegates, of which a GPU is missing."""

    def __init__(self, *delegates: str, threads: tuple[int, ...] = (1,)) -> None:
        super().__init__()
        self.delegates, self.threads = delegates or ("xnnpack",), threads

    def missing(self) -> dict[str, str]:
        return {"gpu": "there is none"}


def experiment(folder: Path, text: str, name: str = "mine.yaml") -> str:
    """The path of an experiment file that says this."""
    path = folder / name
    path.write_text(text)
    return str(path)


def test_read_resolves_paths_against_the_file(tmp_path: Path) -> None:
    """Model, data and a space's file lie beside it; it has its name."""
    (tmp_path / "space.yaml").write_text("prune: 0")
    path = experiment(tmp_path, "model: sub/m.keras\ndata: /d.npz\nspace: space.yaml\ntrials: 5\n")
    assert read(path)[0] == {
        "name": "mine",
        "model": [str(tmp_path / "sub/m.keras")],
        "data": "/d.npz",
        "space": str(tmp_path / "space.yaml"),
        "trials": 5,
    }


def test_read_keeps_a_spaces_name(tmp_path: Path) -> None:
    """Where no such file is beside the experiment, a shipped one is meant; a name given goes first."""
    values, _ = read(experiment(tmp_path, "space: quick\nname: other\nseed: 0"))
    assert values == {"space": "quick", "name": "other", "seed": 0}


def test_read_finds_the_shipped_demo() -> None:
    """By name; its model and data are there."""
    values, _ = read("digits")
    assert values["name"] == "digits"
    assert Path(values["model"][0]).is_file()
    assert Path(values["data"]).is_file()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model: [", "not YAML"),
        ("", "must map model, data, space"),
        ("- model", "must map model, data, space"),
        ("modle: m.keras", "unknown key 'modle'; known are model, data"),
        ("1: m.keras", "unknown key 1"),
        ("model: 1", "model can't be 1"),
        ("model:", "model can't be None"),
        ("trials: many", "trials can't be 'many'"),
        ("trials: 0", "trials can't be 0"),
        ("trials: 2.5", "trials can't be 2.5"),
        ("trials: true", "trials can't be True"),
        ("jobs: 0", "jobs can't be 0"),
        ("seed: -1", "seed can't be -1"),
        ("space: [quick]", r"space can't be \['quick'\]"),
        ("targets: latency<5ms", "targets can't be 'latency<5ms'"),
        ("targets: [3]", "targets must be texts such as 'latency<5"),
        ("targets: [latency<5ms, 0.9]", "targets must be texts"),
        ("targets: [latency: 5ms]", "targets must be texts"),
        ("targets: [[latency<5ms]]", "targets must be texts"),
        ("targets: [null]", "targets must be texts"),
        ("targets: [true]", "targets must be texts"),
        ("objectives: latency", "objectives can't be 'latency'"),
        ("objectives: [1]", "objectives must be texts"),
        ("name: 2024", "name can't be 2024"),
    ],
)
def test_read_refuses(tmp_path: Path, text: str, reason: str) -> None:
    """In one line that names the file, the line and the key."""
    path = experiment(tmp_path, text)
    with pytest.raises(UserError, match=reason) as caught:
        read(path)
    assert re.match(rf"experiment {re.escape(path)}(, line 1)?: ", str(caught.value))
    assert "\n" not in str(caught.value)


def test_read_refuses_what_is_not_text(tmp_path: Path) -> None:
    """As YAML that it is not."""
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UserError, match="not YAML"):
        read(str(tmp_path / "mine.yaml"))


def test_read_refuses_what_is_not_there() -> None:
    """With the names of what is shipped."""
    with pytest.raises(UserError, match=r"no file 'nothing', and no shipped experiments of that name; .*digits"):
        read("nothing")


def test_settings_without_an_experiment() -> None:
    """Model and data are enough; the model's name is the study's."""
    settings = settings_of(arguments(model=["folder/net.keras"], data="d.npz"))
    assert settings.values.name == "net"
    assert settings.targets == []
    assert settings.remarks == []
    assert settings.folder == Path("runs")
    assert settings.values.device == ("local",)
    assert settings.values.jobs is None


def test_settings_takes_what_the_experiment_says(tmp_path: Path) -> None:
    """All of it."""
    text = "model: m.keras\ndata: d.npz\ndevice: phone\njobs: 3\ntargets: [latency<5ms, size=1MB]\n"
    settings = settings_of(arguments(experiment=experiment(tmp_path, text)))
    assert settings.values.model == (str(tmp_path / "m.keras"),)
    assert settings.values.name == "mine"
    assert (settings.values.device, settings.values.jobs) == (("phone",), 3)
    assert [target.text for target in settings.targets] == ["latency<5ms", "size=1MB"]
    assert len(settings.remarks) == 1


def test_settings_refuses_targets_of_the_experiment_that_are_no_texts(tmp_path: Path) -> None:
    """Also where the command line has others."""
    path = experiment(tmp_path, "model: m.keras\ndata: d.npz\ntargets: [5]\n")
    for given in (None, ["latency<5ms"]):
        with pytest.raises(UserError, match="targets must be texts"):
            settings_of(arguments(experiment=path, targets=given))


def test_settings_puts_the_command_line_first(tmp_path: Path) -> None:
    """Each option over that of the file; targets as a whole; a seed of 0 counts."""
    text = "model: m.keras\ndata: d.npz\ntrials: 5\nseed: 7\nname: file\ntargets: [latency<5ms, size<1MB]\n"
    settings = settings_of(
        arguments(
            experiment=experiment(tmp_path, text),
            data="other.npz",
            trials=9,
            seed=0,
            name="line",
            targets=["accuracy>=90%"],
        )
    )
    assert settings.values.model == (str(tmp_path / "m.keras"),)
    assert settings.values.data == "other.npz"
    assert (settings.values.trials, settings.values.seed, settings.values.name) == (9, 0, "line")
    assert [target.text for target in settings.targets] == ["accuracy>=90%"]


def test_settings_parses_objectives(tmp_path: Path) -> None:
    """Of the file, or of the command line in their place; a quality that was left out is added with a remark."""
    path = experiment(tmp_path, "model: m.keras\ndata: d.npz\nobjectives: [memory, accuracy]\n")
    settings = settings_of(arguments(experiment=path))
    assert (settings.objectives, settings.remarks) == (("accuracy", "memory"), [])
    settings = settings_of(arguments(experiment=path, objectives=["latency"]))
    assert settings.objectives == ("quality", "latency")
    assert len(settings.remarks) == 1
    assert settings.options("local", Board(), 1)[0].objectives == settings.objectives
    with pytest.raises(UserError, match="objective 'speed' is unknown"):
        settings_of(arguments(experiment=path, objectives=["speed"]))


def test_settings_checks_the_codec(tmp_path: Path) -> None:
    """Of the file, or of the command line in its place; gzip where nobody says one."""
    path = experiment(tmp_path, "model: m.keras\ndata: d.npz\ncodec: brotli\n")
    assert settings_of(arguments(experiment=path)).options("local", Board(), 1)[0].codec == "brotli"
    assert settings_of(arguments(experiment=path, codec="xz")).values.codec == "xz"
    assert settings_of(arguments(model=["m.keras"], data="d.npz")).values.codec == "gzip"
    with pytest.raises(UserError, match="--codec 'zip' is unknown; there are gzip, brotli, zstd, xz"):
        settings_of(arguments(experiment=path, codec="zip"))


def test_settings_keeps_what_the_command_line_alone_says() -> None:
    """Folder, time, Ray and tracking."""
    settings = settings_of(
        arguments(model=["m.keras"], data="d.npz", dir="studies", timeout=90.0, ray="auto", tracking_uri="file:x")
    )
    assert settings.folder == Path("studies")
    assert (settings.values.timeout, settings.values.ray, settings.values.tracking_uri) == (90.0, "auto", "file:x")


@pytest.mark.parametrize(("given", "missing"), [({"data": "d.npz"}, "model"), ({"model": ["m.keras"]}, "data")])
def test_settings_needs_model_and_data(given: dict[str, Any], missing: str) -> None:
    """From one place or the other."""
    with pytest.raises(UserError, match=f"^no --{missing} "):
        settings_of(arguments(**given))


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "..", "a b", "ä", "x" * 101])
def test_settings_refuses_names_that_are_no_folders(name: str) -> None:
    """Studies are kept in a folder of their name."""
    with pytest.raises(UserError, match="--name"):
        settings_of(arguments(model=["m.keras"], data="d.npz", name=name))


@pytest.mark.parametrize("name", ["a", "_x", "My-Study_2.1", "9", "x" * 100])
def test_settings_takes_other_names(name: str) -> None:
    """Letters, digits, '.', '_' and '-'."""
    assert settings_of(arguments(model=["m.keras"], data="d.npz", name=name)).values.name == name


def test_settings_refuses_targets_that_are_none() -> None:
    """As the target parser says."""
    with pytest.raises(UserError, match="unknown metric 'speed'"):
        settings_of(arguments(model=["m.keras"], data="d.npz", targets=["speed<1"]))


def test_options_have_defaults() -> None:
    """The full space on the device's threads, sixty trials, seed 0."""
    options = settings_of(arguments(model=["m.keras"], data="d.npz")).options("local", Board(threads=(1, 2)), 3)[0]
    assert (options.models, options.data) == ((Path("m.keras"),), "d.npz")
    assert options.space.dimensions["threads"] == Categorical((1, 2))
    assert "prune" in options.space.dimensions
    assert (options.trials, options.seed, options.jobs) == (60, 0, 3)
    assert (options.loss, options.metric, options.timeout) == (None, None, None)


def test_options_are_what_was_asked_for() -> None:
    """Every setting arrives."""
    settings = settings_of(
        arguments(
            model=["m.keras"],
            data="d.npz",
            space="post_training",
            trials=7,
            seed=5,
            loss="mse",
            metric="mae",
            name="n",
            targets=["size<1MB"],
            dir="studies",
            timeout=60.0,
        )
    )
    options, _ = settings.options("local", Board(), 1)
    assert options.space.dimensions["fine_tune"] == Categorical(("none",))
    assert (options.trials, options.seed, options.loss, options.metric) == (7, 5, "mse", "mae")
    assert (options.name, options.folder, options.timeout) == ("n", Path("studies"), 60.0)
    assert options.targets == settings.targets


def test_options_with_a_space_in_the_experiment(tmp_path: Path) -> None:
    """It is parsed like a file; what is wrong with it names where it stands."""
    text = "model: m.keras\ndata: d.npz\nspace: {prune: [0, 0.5], threads: auto}\n"
    options, _ = settings_of(arguments(experiment=experiment(tmp_path, text))).options(
        "local", Board(threads=(1, 2)), 1
    )
    assert options.space.dimensions == {"prune": Categorical((0.0, 0.5)), "threads": Categorical((1, 2))}
    wrong = experiment(tmp_path, text.replace("0.5", "5"))
    with pytest.raises(UserError, match=r"space in .*, line 3: prune: 5 is outside"):
        settings_of(arguments(experiment=wrong)).options("local", Board(), 1)


def test_options_with_a_space_that_is_not_there() -> None:
    """The error comes before anything is started."""
    with pytest.raises(UserError, match="no file 'huge', and no shipped search_spaces of that name"):
        settings_of(arguments(model=["m.keras"], data="d.npz", space="huge")).options("local", Board(), 1)


def delegates(tmp_path: Path, given: str, device: Board) -> tuple[tuple[str, ...], list[str]]:
    """What a study may sample on a device whose space says this, and the remarks."""
    text = f"model: m.keras\ndata: d.npz\nspace: {{delegate: {given}, prune: [0, 0.5]}}\n"
    options, remarks = settings_of(arguments(experiment=experiment(tmp_path, text))).options("local", device, 1)
    assert options.space.dimensions["prune"] == Categorical((0.0, 0.5))
    return options.space.delegates(), remarks


def test_delegates_that_are_auto(tmp_path: Path) -> None:
    """All of the device but the reference kernels, unless it has nothing else."""
    found = delegates(tmp_path, "auto", Board("xnnpack", "reference", "openvino_cpu"))
    assert found == (("xnnpack", "openvino_cpu"), [])
    assert delegates(tmp_path, "auto", Board("reference")) == (("reference",), [])


@pytest.mark.parametrize("given", ["[gpu, xnnpack]", "[nnapi, xnnpack, openvino_npu]"])
def test_a_delegate_that_the_device_has_not_is_left_out(tmp_path: Path, given: str) -> None:
    """With a remark: one space serves boards and phones."""
    found, [remark] = delegates(tmp_path, given, Board("xnnpack", "builtin"))
    assert found == ("xnnpack",)
    assert remark.startswith("the space goes without ")
    assert "which device fake has not" in remark


@pytest.mark.parametrize("given", ["gpu", "[gpu, nnapi]", "[xnnpack, gpuu]"])
def test_what_is_unknown_or_leaves_nothing_is_left_in(tmp_path: Path, given: str) -> None:
    """It is refused with the rest of the input, before anything is written."""
    found, remarks = delegates(tmp_path, given, Board("xnnpack"))
    assert found[-1] in given
    assert found[-1] != "xnnpack"
    assert remarks == []


def test_a_device_file_beside_the_experiment(tmp_path: Path) -> None:
    """It is meant, from whatever folder the experiment is run; else a device's name stays one."""
    (tmp_path / "pi.yaml").write_text("transport: local")
    assert read(experiment(tmp_path, "device: pi.yaml"))[0]["device"] == [str(tmp_path / "pi.yaml")]
    assert read(experiment(tmp_path, "device: [ssh:pi, local]"))[0]["device"] == ["ssh:pi", "local"]


def test_several_models_are_candidates(tmp_path: Path) -> None:
    """As a list in the experiment or repeated on the command line; the first names the study."""
    text = "model: [a.keras, b.tflite]\ndata: tfds:mnist\nexclude: [dense]\nvalidation_share: 0.25\n"
    text += "custom_objects: [keras, own.py]\n"
    (tmp_path / "own.py").touch()
    options, _ = settings_of(arguments(experiment=experiment(tmp_path, text))).options("local", Board(), 1)
    assert options.models == (tmp_path / "a.keras", tmp_path / "b.tflite")
    assert options.data == "tfds:mnist"
    assert (options.exclude, options.validation_share) == (("dense",), 0.25)
    assert options.trust == Trust(False, ("keras", str(tmp_path / "own.py")))
    settings = settings_of(arguments(model=["x.keras", "y.keras"], data="d.npz", trust=True))
    assert settings.values.name == "x"
    assert settings.trust == Trust(True)


def test_an_experiment_can_not_grant_trust(tmp_path: Path) -> None:
    """Whoever runs a file of somebody else's decides that, on the command line."""
    with pytest.raises(UserError, match="unknown key 'trust'"):
        read(experiment(tmp_path, "trust: true"))


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parents[1].glob("experiments/*.yaml")), ids=lambda path: path.stem
)
def test_each_experiment_of_the_repository_is_one(path: Path) -> None:
    """With a metric, targets and a space that there are, and a script that makes what it names."""
    settings = settings_of({"experiment": str(path)})
    check_names(settings.values.loss, settings.values.metric)
    assert next(settings.draft(1).space.all() or iter(()), None) is not None
    assert settings.remarks == []
    assert (path.parent / path.stem / "train.py").is_file()
