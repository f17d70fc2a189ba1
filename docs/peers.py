"""Times one optimizer step of what people use today, and of lars4j, on the tensors of real networks.

    python3 -m venv peers
    peers/bin/pip install torch --index-url https://download.pytorch.org/whl/cpu
    peers/bin/pip install numpy jax optax
    peers/bin/pip install --no-deps timm
    ./mvnw package -DskipTests
    peers/bin/python docs/peers.py --java /path/to/jdk-25/bin/java

Prints a Markdown table: milliseconds a step, the least of several rounds in which all optimizers take turns. All of them
have momentum 0.9, Nesterov and weight decay; gradients are float32 unless the row says otherwise. One thread.
"""
import argparse
import datetime
import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JAR = ROOT / "lars-bench/target/lars-bench.jar"
RATE, MOMENTUM, DECAY, TRUST = 1e-6, 0.9, 1e-4, 1e-3
STEPS = 12  # of each optimizer in a round


def shapes(network):
    """The shapes of a network's tensors, from the benchmark's own layout file."""
    file = next(ROOT.glob(f"lars-bench/src/main/resources/**/{network}.txt"))
    lines = (line.split() for line in file.read_text().splitlines() if line.strip() and line[0] != "#")
    return [[int(n) for n in fields[1].split("x")] for fields in lines]


def torch_parameters(network):
    import torch
    torch.manual_seed(0)
    parameters = [torch.randn(shape).mul_(0.05).requires_grad_() for shape in shapes(network)]
    for p in parameters:
        p.grad = torch.randn_like(p).mul_(1e-3)
    return parameters


def torch_sgd(network):
    import torch
    return torch.optim.SGD(torch_parameters(network), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY,
                           nesterov=True, fused=True).step


def timm_lars(network):
    """Loads timm's optimizer without the rest of timm, which needs a torchvision that fits torch."""
    import importlib.util
    package = Path(importlib.util.find_spec("timm").origin).parent
    spec = importlib.util.spec_from_file_location("timm_lars", package / "optim/lars.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Lars(torch_parameters(network), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY,
                           nesterov=True).step


def snippet(network, compiled):
    """The LARS optimizer for PyTorch that is copied most often, as one function over all tensors."""
    import torch
    parameters = [p.detach() for p in torch_parameters(network)]
    gradients = [torch.randn_like(p).mul_(1e-3) for p in parameters]
    buffers = [torch.zeros_like(p) for p in parameters]

    def step(parameters, gradients, buffers):
        for w, g, v in zip(parameters, gradients, buffers):
            norm = g.norm()
            g.add_(w, alpha=DECAY)
            norm.add_(w.norm(), alpha=DECAY)
            v.mul_(MOMENTUM).add_(g)
            direction = g.add(v, alpha=MOMENTUM)
            ratio = TRUST * w.norm() / (1e-15 + norm)
            w.addcmul_(direction, ratio, value=-RATE)

    run = torch.compile(step) if compiled else step
    return torch.no_grad()(lambda: run(parameters, gradients, buffers))


def optax_lars(network):
    from functools import partial
    import jax
    import jax.numpy as jnp
    import optax
    import numpy
    random = numpy.random.default_rng(0)
    weights = [jnp.array(random.normal(0, 0.05, s).astype("float32")) for s in shapes(network)]
    gradients = [jnp.array(random.normal(0, 1e-3, s).astype("float32")) for s in shapes(network)]
    optimizer = optax.lars(RATE, weight_decay=DECAY, momentum=MOMENTUM, nesterov=True)
    state = [weights, optimizer.init(weights)]

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(weights, state, gradients):
        updates, state = optimizer.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state

    def run():
        state[0], state[1] = step(state[0], state[1], gradients)
        jax.block_until_ready(state[0])
    return run


def best(run):
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def lars4j(java, network, parameters):
    """Runs one arm of the jar in a JVM of its own and returns its least time for a step."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run.json")
        options = {"layout": network, "kernels": "vector", "threads": 1, **parameters}
        command = [java, "-jar", str(JAR), r"StepBenchmark\.lars$", "-f", "1", "-wi", "4", "-w", "500ms", "-i", "12", "-r", "150ms",
                   "-rf", "json", "-rff", str(out)]
        for name, value in options.items():
            command += ["-p", f"{name}={value}"]
        subprocess.run(command, check=True, capture_output=True)
        metric = json.loads(out.read_text())[0]["primaryMetric"]
        milliseconds = {"ns/op": 1e-6, "us/op": 1e-3, "ms/op": 1}[metric["scoreUnit"]]
        return min(t for fork in metric["rawData"] for t in fork) * milliseconds


def versions(java):
    import importlib.metadata as metadata
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "timm", "jax", "optax"))
    jdk = subprocess.run([java, "-version"], capture_output=True, text=True).stderr.splitlines()[1]
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
               platform.processor())
    return f"{cpu}, one thread; {packages}; {jdk}; {datetime.date.today()}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--java", default="java", help="the java of a JDK 25")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("networks", nargs="*", default=["resnet50", "vit_b_16"])
    options = arguments.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import torch
    torch.set_num_threads(1)

    python = {
        "torch, fused SGD (no LARS)": torch_sgd,
        "the PyTorch snippet, eager": lambda network: snippet(network, False),
        "the PyTorch snippet, torch.compile": lambda network: snippet(network, True),
        "timm.optim.Lars, eager": timm_lars,
        "optax.lars, jit": optax_lars,
    }
    fresh, carried = {"onBadGradient": "refuse", "sums": "fresh"}, {"onBadGradient": "refuse", "sums": "carried"}
    narrow = {"gradientFormat": "bfloat16", "momentumFormat": "bfloat16"}
    jar = {
        "lars4j": fresh,
        "lars4j, carried sums": carried,
        "lars4j, bfloat16 gradient and momentum": {**fresh, **narrow},
        "lars4j, the same with carried sums": {**carried, **narrow},
    }
    least = {}
    for network in options.networks:
        runs = {name: make(network) for name, make in python.items()}
        for run in runs.values():
            for _ in range(3):
                run()
        for _ in range(options.rounds):
            for name, run in runs.items():
                least[name, network] = min(best(run), least.get((name, network), float("inf")))
            for name, parameters in jar.items():
                took = lars4j(options.java, network, parameters)
                least[name, network] = min(took, least.get((name, network), float("inf")))
    print("| ms a step | " + " | ".join(options.networks) + " |")
    print("|---|" + "---:|" * len(options.networks))
    for name in [*python, *jar]:
        print(f"| {name} | " + " | ".join(f"{least[name, network]:.1f}" for network in options.networks) + " |")
    print()
    print(versions(options.java))


if __name__ == "__main__":
    main()
