package io.github.lars4j.bench.report;

import io.github.lars4j.bench.report.StepTimes.StepTime;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The times of one layout, and their ratios. A value that was not measured is NaN.
 *
 * @param layout the layout
 * @param lars time of a step on SIMD kernels in ns
 * @param scan time of the fastest read of weights and gradients in ns
 * @param sgd time of the fastest step of SGD in ns
 * @param update speed of SGD by hand-written SIMD against plain Java's
 * @param scalar speed of a LARS step on SIMD kernels against the best scalar one
 * @param naive speed of a LARS step on SIMD kernels against one array operation after another
 * @param threads speed of a LARS step on all threads against one
 */
record Figures(
        RunFile.Layout layout,
        double lars,
        double scan,
        double sgd,
        Speed update,
        Speed scalar,
        Speed naive,
        Speed threads) {

    /**
     * How many times as fast one benchmark is as another, with the range over all pairs of their JVMs.
     */
    record Speed(double value, double low, double high) {

        static Speed of(Optional<StepTime> fast, Optional<StepTime> slow) {
            if (fast.isEmpty() || slow.isEmpty()) {
                return new Speed(Double.NaN, Double.NaN, Double.NaN);
            }
            double value = slow.get().nanos() / fast.get().nanos();
            return new Speed(
                    value,
                    Math.min(value, least(slow.get()) / most(fast.get())),
                    Math.max(value, most(slow.get()) / least(fast.get())));
        }

        private static double least(StepTime result) {
            return result.forks().stream().mapToDouble(f -> f).min().orElse(result.nanos());
        }

        private static double most(StepTime result) {
            return result.forks().stream().mapToDouble(f -> f).max().orElse(result.nanos());
        }
    }

    static Figures of(RunFile run, StepTimes results, RunFile.Layout layout) {
        String name = layout.name();
        Optional<StepTime> lars = Arm.LARS.in(results, name);
        Optional<StepTime> scalar = Stream.of(Arm.SCALAR_LARS, Arm.PLAIN_LARS)
                .flatMap(arm -> arm.in(results, name).stream())
                .min(Comparator.comparingDouble(StepTime::nanos));
        Optional<StepTime> threads = run.cores() > 1 ? Arm.threads(run.cores()).in(results, name) : Optional.empty();
        return new Figures(
                layout,
                lars.map(StepTime::nanos).orElse(Double.NaN),
                results.scan(name).orElse(Double.NaN),
                results.sgd(name).orElse(Double.NaN),
                Speed.of(Arm.SGD.in(results, name), Arm.SCALAR_SGD.in(results, name)),
                Speed.of(lars, scalar),
                Speed.of(lars, Arm.NAIVE.in(results, name)),
                Speed.of(threads, lars));
    }

    /** The time of a LARS step divided by that of a step of SGD. */
    double toSgd() {
        return lars / sgd;
    }

    /** The time of a LARS step divided by that of a scan followed by a step of SGD. */
    double toPasses() {
        return lars / (scan + sgd);
    }
}
