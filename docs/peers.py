"""Times one step of the optimizers that people use today, and of lars4j beside them, on the tensors of real networks.

    python3 -m venv peers
    peers/bin/pip install torch --index-url https://download.pytorch.org/whl/cpu
    peers/bin/pip install numpy jax optax
    peers/bin/pip install --no-deps timm
    ./mvnw package -DskipTests
    peers/bin/python docs/peers.py                            # resnet50 and vit_b_16 on one thread
    peers/bin/python docs/peers.py --threads 2 mobilenet_v2

Needs Linux, a C++ compiler for torch.compile, a JDK 25, and 12 GB of memory for vit_b_16. Takes about five minutes, in
which nothing else should run.

Prints a Markdown table of milliseconds a step: the median of all steps of all rounds. In a round the optimizers take
turns. Each optimizer has a process of its own, and lars4j a new JVM in each round. An optimizer that cannot be measured
is left out, and a line below the table says why.

Every optimizer has momentum 0.9, Nesterov and weight decay 1e-4, and every LARS adapts all tensors, also the
one-dimensional ones. Weights, gradients and momentum are in float32 unless the row says otherwise. The learning rate is
so small that the weights stay as they are. timm and the snippet write into the gradients, as they are published.
"""
import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import re
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JAR = ROOT / "lars-bench/target/lars-bench.jar"
LAYOUTS = ROOT / "lars-bench/src/main/resources/io/github/lars4j/bench/arms/layouts"
RATE, MOMENTUM, DECAY, TRUST = 1e-10, 0.9, 1e-4, 1e-3
SECONDS = 2  # how long an optimizer takes steps in a round; five steps at least
LIMIT = 300  # seconds in which an optimizer must have compiled its step, or taken its turn
versions = []


def use(package):
    """Imports a package, and notes its version for the table."""
    module = importlib.import_module(package)
    versions.append(f"{package} {importlib.metadata.version(package)}")
    return module


def layout(network):
    """Returns the names and shapes of a network's tensors, from the benchmark's own list."""
    lines = [line.split() for line in (LAYOUTS / f"{network}.txt").read_text().splitlines()]
    return {name: [int(n) for n in shape.split("x")] for name, shape, _ in lines}


def arrays(network):
    """Returns weights and gradients, with values on which arithmetic has its usual speed."""
    import numpy
    random = numpy.random.default_rng(0)
    return [[random.uniform(most / 2, most, shape).astype("float32") for shape in layout(network).values()]
            for most in (0.1, 0.01)]


def repeated(step):
    """Returns a function that takes steps and returns the milliseconds of each."""
    for _ in range(3):
        step()  # compiles it

    def turn():
        times, end = [], time.perf_counter() + SECONDS
        while len(times) < 5 or time.perf_counter() < end:
            start = time.perf_counter()
            step()
            times.append(1e3 * (time.perf_counter() - start))
        return times

    return turn


def tensors(network, options):
    """Returns torch, with its threads set, and weights and gradients."""
    torch = use("torch")
    torch.set_num_threads(options.threads)
    return torch, *([torch.from_numpy(array) for array in side] for side in arrays(network))


def of_torch(network, options, optimizer, **settings):
    """A subclass of torch.optim.Optimizer; the argument is a function that returns it."""
    torch, weights, gradients = tensors(network, options)
    parameters = [torch.nn.Parameter(w) for w in weights]
    for p, g in zip(parameters, gradients):
        p.grad = g
    return repeated(optimizer(torch)(parameters, lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True,
                                     **settings).step)


def timm_lars(_):
    """Loads timm's optimizer from its file alone, as all of timm needs a torchvision that fits torch."""
    package = importlib.metadata.distribution("timm")
    spec = importlib.util.spec_from_file_location("timm_lars", package.locate_file("timm/optim/lars.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    versions.append(f"timm {package.version}")
    return module.Lars


def snippet(network, options, compiled):
    """The LARS optimizer for PyTorch that is copied most often, as one function over all tensors."""
    torch, weights, gradients = tensors(network, options)
    buffers = [torch.zeros_like(w) for w in weights]

    def step(weights, gradients, buffers):
        for w, g, v in zip(weights, gradients, buffers):
            norm = g.norm()
            g.add_(w, alpha=DECAY)
            norm.add_(w.norm(), alpha=DECAY)
            v.mul_(MOMENTUM).add_(g)
            direction = g.add(v, alpha=MOMENTUM)
            ratio = TRUST * w.norm() / (1e-15 + norm)
            w.addcmul_(direction, ratio, value=-RATE)

    run = torch.compile(step) if compiled else step
    return repeated(torch.no_grad()(lambda: run(weights, gradients, buffers)))


def optax_lars(network, options):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.threads:])  # XLA's threads are the processors
    jax, optax = use("jax"), use("optax")
    weights, gradients = ([jax.numpy.array(array) for array in side] for side in arrays(network))
    optimizer = optax.lars(RATE, weight_decay=DECAY, trust_coefficient=TRUST, momentum=MOMENTUM, nesterov=True)

    def update(weights, state, gradients):
        updates, state = optimizer.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state

    compiled = jax.jit(update, donate_argnums=(0, 1))
    now = [weights, optimizer.init(weights)]

    def step():
        now[:] = compiled(*now, gradients)
        jax.block_until_ready(now)

    return repeated(step)


def jar(network, options, benchmark, **parameters):
    """A benchmark of lars-bench; its warm-up is as long as the measurement."""
    if not JAR.exists():
        raise FileNotFoundError(f"{JAR.relative_to(ROOT)} is missing; ./mvnw package -DskipTests makes it")

    def turn():
        with tempfile.TemporaryDirectory() as folder:
            # Without shapes, no tensor is one-dimensional, which the benchmark would not adapt.
            counts, out = Path(folder, "counts.txt"), Path(folder, "out.json")
            counts.write_text("".join(f"{name} {math.prod(shape)}\n" for name, shape in layout(network).items()))
            settings = {"layout": f"@{counts}", "kernels": "vector", "threads": options.threads, **parameters}
            command = [options.java, "-jar", JAR, rf"StepBenchmark\.{benchmark}$", "-bm", "sample", "-tu", "ms",
                       "-f", "1", "-wi", "1", "-w", f"{SECONDS}s", "-i", "1", "-r", f"{SECONDS}s", "-foe", "true",
                       "-rf", "json", "-rff", out]
            for name, value in settings.items():
                command += ["-p", f"{name}={value}"]
            run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if run.returncode != 0:
                print(run.stdout)
                raise ChildProcessError(f"java ended with {run.returncode}; the standard error has its output")
            result, = json.loads(out.read_text())
        versions[:] = [f"{result['vmName']} {result['vmVersion']}"]
        (histogram,), = result["primaryMetric"]["rawDataHistogram"]
        return [ms for ms, count in histogram for _ in range(count)]

    return turn


NARROW = {"gradientFormat": "bfloat16", "momentumFormat": "bfloat16"}
ARMS = {
    "PyTorch's SGD, fused (no LARS)": lambda *of: of_torch(*of, lambda torch: torch.optim.SGD, fused=True),
    "lars4j's benchmark: SGD (no LARS)": lambda *of: jar(*of, "sgd"),
    "the PyTorch snippet": lambda *of: snippet(*of, compiled=False),
    "the PyTorch snippet, torch.compile": lambda *of: snippet(*of, compiled=True),
    "timm.optim.Lars": lambda *of: of_torch(*of, timm_lars, trust_coeff=TRUST),
    "optax.lars, jax.jit": optax_lars,
    "lars4j": lambda *of: jar(*of, "lars"),
    "lars4j, carried sums": lambda *of: jar(*of, "lars", sums="carried"),
    "lars4j, bfloat16 gradients and momentum": lambda *of: jar(*of, "lars", **NARROW),
    "lars4j, the same with carried sums": lambda *of: jar(*of, "lars", sums="carried", **NARROW),
}


def child(name, network, options):
    """Answers once when the optimizer is ready, and then each line of the standard input with the times of a turn."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to the standard error

    def answer(**content):
        print(json.dumps({"versions": versions, **content}), file=answers, flush=True)

    try:
        turn = ARMS[name](network, options)
        answer(times=[])
        for _ in sys.stdin:
            answer(times=turn())
    except Exception as e:
        traceback.print_exc()
        answer(failure=f"{type(e).__name__}: {e}")


class Arm:
    """An optimizer in a process of its own; an OSError says why it cannot be measured."""

    def __init__(self, name, network, options):
        command = [sys.executable, __file__, "--child", name, "--java", options.java, "--threads", str(options.threads)]
        self.process = subprocess.Popen([*command, network], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        start_new_session=True)

    def answer(self):
        if not select.select([self.process.stdout], [], [], LIMIT)[0]:
            raise TimeoutError(f"It took more than {LIMIT} s.")
        content = json.loads(self.process.stdout.readline() or '{"failure": "Its process ended."}')
        if "failure" in content:
            raise ChildProcessError(content["failure"])
        versions.extend(version for version in content["versions"] if version not in versions)
        return content["times"]

    def turn(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)  # with the compilers that it has started
        self.process.wait()


def measure(network, options, left_out):
    """Returns the times of each optimizer that can be measured, a list for each round."""
    arms, times = {name: Arm(name, network, options) for name in ARMS}, {name: [] for name in ARMS}
    try:
        for turn in range(options.rounds + 1):
            for name in list(times):
                try:
                    if turn == 0:
                        arms[name].answer()  # ready
                    else:
                        times[name].append(arms[name].turn())
                        print(f"{network}, round {turn}: {name}: {statistics.median(times[name][-1]):.2f} ms, "
                              f"{len(times[name][-1])} steps", file=sys.stderr)
                except OSError as e:
                    arms[name].close()
                    del arms[name], times[name]
                    left_out.setdefault((network, str(e)), []).append(name)
    finally:
        for arm in arms.values():
            arm.close()
    return times


def processor():
    found = re.search("^model name\\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def main():
    networks = sorted(file.stem for file in LAYOUTS.glob("*.txt"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--java", default="java", help="the java of a JDK 25; default: java")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--threads", type=int, choices=[1, 2], default=1, help="default: 1")
    parser.add_argument("networks", nargs="*", default=["resnet50", "vit_b_16"], help=", ".join(networks))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not set(options.networks) <= set(networks):
        parser.error(f"a network must be one of {', '.join(networks)}")
    if options.child:
        return child(options.child, options.networks[0], options)

    left_out, furthest = {}, 0
    times = {network: measure(network, options, left_out) for network in options.networks}
    print("| ms a step | " + " | ".join(options.networks) + " |")
    print("|---|" + "---:|" * len(options.networks))
    for name in ARMS:
        cells = []
        for rounds in (times[network].get(name) for network in options.networks):
            if rounds:
                median = statistics.median(ms for turn in rounds for ms in turn)
                furthest = max(furthest, *(abs(statistics.median(turn) / median - 1) for turn in rounds))
            cells.append(f"{median:.{2 if median < 10 else 1}f}" if rounds else "-")
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(f"\nMedian of all steps; rounds: {options.rounds}; the median of a round is at most {furthest:.0%} from it. "
          f"{processor()}, threads: {options.threads}; {', '.join(versions)}; {datetime.date.today()}.")
    for (network, why), names in left_out.items():
        print(f"\nLeft out on {network}: {'; '.join(names)}. {why}")


if __name__ == "__main__":
    main()
