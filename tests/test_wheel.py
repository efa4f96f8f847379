"""Installed from a wheel, outside the checkout, the package is whole."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_spaces_and_the_demo_are_in_the_wheel(tmp_path: Path) -> None:
    """They are found by name from any folder, and `python -m autotune` works."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name.startswith("litert_autotune-")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path / 'installed')!r})\n"
        "import autotune, pathlib\n"
        "from autotune import experiment\nfrom autotune.space import file as space_file\n"
        "print(pathlib.Path(autotune.__file__).parent)\n"
        "for name in ('full', 'quick', 'post_training', 'edge_tpu', 'android'):\n"
        "    assert space_file.read(name, (1, 2)).dimensions\n"
        "for name in ('digits', 'experiments/digits.yaml'):\n"
        "    values, _ = experiment.read(name)\n"
        "    assert pathlib.Path(values['model'][0]).is_file() and pathlib.Path(values['data']).is_file()\n"
        "from autotune.cli.command import main\n"
        "main(['--help'])\n"
    )
    away = tmp_path / "away"
    away.mkdir()
    done = subprocess.run([sys.executable, "-c", script], cwd=away, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(tmp_path / "installed" / "autotune")
    assert "usage: autotune" in done.stdout
