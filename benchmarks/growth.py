"""Memory of a pool's worker over 100 builds, none of them cached. Goal: never above 2 GB, however many builds."""

import os
from pathlib import Path
from typing import Any

import psutil

from autotune.compress import pipeline
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import SCHEMES, Recipe
from autotune.model import load
from autotune.model.artifact import Artifact
from autotune.study.pool import RayPool
from autotune.task.data import read_data
from autotune.task.make import make_task
from autotune.task.model_facts import ModelFacts

DIGITS = Path(__file__).parents[1] / "experiments" / "digits"
BUILDS = 100


def main() -> None:
    """Builds recipes of every kind, and prints the worker's memory on the way."""
    pool = RayPool(1, start)
    model, source = DIGITS / "digits.keras", (DIGITS / "digits.keras").read_bytes()
    base: Artifact = pool.submit(load.import_model, source, model.name).result()
    facts = ModelFacts.from_json(base.facts)
    data = read_data(str(DIGITS / "digits.npz"), facts.input_shape, 0)
    task = make_task(model.name, source, facts, data, None, None, 0)
    train = task.data.train
    shared = pool.share(base.data), pool.share(TrainingData(train.x, train.y, task.calibration(), task.loss, 0))
    done, seed, most, workers = 0, 0, 0, set()
    while done < BUILDS:
        seed += 1
        for recipe in _recipes(seed):
            parent: Any = None
            for step in pipeline.steps(recipe, str(seed)):
                parent = pool.submit(pipeline.build, step, shared[0], parent, shared[1]).result().data
                done += 1
                resident, process = pool.submit(_resident).result()
                most = max(most, resident)
                workers.add(process)
                if done in (1, 10, 25, 50, 75, 100):
                    print(f"after {done:3} builds {resident / 1e6:6.0f} MB", flush=True)
    print(f"most after any build {most / 1e6:.0f} MB; {len(workers)} workers, one after the other")
    pool.close()


def _recipes(seed: int) -> list[Recipe]:
    prune, cluster = (0.5, 0)[seed % 2], (0, 16)[seed // 2 % 2]
    return [Recipe(prune=prune, cluster=cluster, quantize=scheme, epochs=1) for scheme in SCHEMES]


def _resident() -> tuple[int, int]:
    """Resident bytes, and the process."""
    return int(psutil.Process().memory_info().rss), os.getpid()
