"""The measuring program: runs .tflite files on LiteRT and says what it saw.

One file that needs only numpy and ai_edge_litert, so that it can be copied to a board. It
reads requests from stdin and answers each on stdout, one JSON object a line:

    {"do": "outputs", "model": PATH, "delegate": D, "threads": N, "inputs": NPY, "outputs": NPY}
    {"do": "latency", "model": PATH, "delegate": D, "threads": N}

An answer is {"ok": {...}}, or {"refused": REASON} where LiteRT refuses the file or the delegate.
"""

import json
import os
import sys
import time

import numpy as np

BATCH = 100
"""Samples evaluated at once, where the file can be resized to it."""

WARM_UP_SECONDS, WARM_UP_RUNS = 0.05, 3
SECONDS, LEAST_RUNS, MOST_RUNS, MOST_SECONDS = 0.2, 40, 5_000, 2.0
"""Timing ends after SECONDS and LEAST_RUNS, but at MOST_RUNS or MOST_SECONDS at the latest."""


def interpreter(request):
    """An Interpreter for the request; not yet allocated."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolvers = {
        "xnnpack": OpResolverType.AUTO,
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": OpResolverType.BUILTIN_REF,
    }
    if request["delegate"] not in resolvers:
        raise ValueError(f"no delegate {request['delegate']!r} here")
    return Interpreter(
        model_path=request["model"],
        num_threads=request["threads"],
        experimental_op_resolver_type=resolvers[request["delegate"]],
    )


def encoded(values, entry):
    """Float values (n, …) in an input's own type: integers by its scale and zero point."""
    scale, zero = entry["quantization"]
    if not scale:
        return values.astype(entry["dtype"])
    limits = np.iinfo(entry["dtype"])
    return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(entry["dtype"])


def decoded(values, exit_):
    """An output's values as float32: the reverse of encoded()."""
    scale, zero = exit_["quantization"]
    return ((values.astype(np.float32) - zero) * scale if scale else values).astype(np.float32)


def outputs(request):
    """Runs all inputs and writes all outputs, in the order of the inputs."""
    inputs = np.load(request["inputs"], allow_pickle=False)
    opened = interpreter(request)
    entry, exit_ = opened.get_input_details()[0], opened.get_output_details()[0]
    batch = min(BATCH, len(inputs))
    opened.resize_tensor_input(entry["index"], [batch, *inputs.shape[1:]])
    try:
        opened.allocate_tensors()
    except RuntimeError:  # a file whose batch is fixed
        batch = 1
        opened = interpreter(request)
        opened.allocate_tensors()
    parts = []
    for start in range(0, len(inputs), batch):
        part = inputs[start : start + batch]
        padding = np.repeat(part[:1], batch - len(part), axis=0)
        opened.set_tensor(entry["index"], encoded(np.concatenate([part, padding]), entry))
        opened.invoke()
        parts.append(decoded(opened.get_tensor(exit_["index"])[: len(part)], exit_))
    np.save(request["outputs"], np.concatenate(parts))
    return {"samples": len(inputs)}


def latency(request):
    """Times single inferences: input written, run, output read."""
    began = time.perf_counter_ns()
    opened = interpreter(request)
    opened.allocate_tensors()
    initialised = time.perf_counter_ns()
    entry, exit_ = opened.get_input_details()[0], opened.get_output_details()[0]
    sample = encoded(np.random.default_rng(0).random(entry["shape"], np.float32), entry)

    def infer():
        start = time.perf_counter_ns()
        opened.set_tensor(entry["index"], sample)
        opened.invoke()
        opened.get_tensor(exit_["index"])
        return (time.perf_counter_ns() - start) / 1e3

    first = infer()
    start, runs = time.perf_counter(), 0
    while time.perf_counter() - start < WARM_UP_SECONDS or runs < WARM_UP_RUNS:
        if time.perf_counter() - start > MOST_SECONDS:
            break
        infer()
        runs += 1
    times, start = [], time.perf_counter()
    while len(times) < MOST_RUNS:
        times.append(infer())
        elapsed = time.perf_counter() - start
        if elapsed > MOST_SECONDS or (elapsed > SECONDS and len(times) >= LEAST_RUNS):
            break
    return {"times_us": times, "first_us": first, "init_us": (initialised - began) / 1e3}


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what native code prints must not come between the answers
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": {"outputs": outputs, "latency": latency}[request["do"]](request)}
        except (RuntimeError, ValueError) as error:
            answer = {"refused": " ".join(str(error).split())}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
