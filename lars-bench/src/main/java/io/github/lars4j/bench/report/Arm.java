package io.github.lars4j.bench.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A benchmark that is measured on each layout.
 *
 * @param method of {@link io.github.lars4j.bench.arms.StepBenchmark}
 * @param kernels {@code scalar} or {@code vector}; {@code null} if the method has no such parameter
 * @param threads number of threads that share a step
 */
public record Arm(String method, String kernels, int threads) {

    static final Arm LARS = new Arm("lars", "vector", 1);
    static final Arm SCALAR_LARS = new Arm("lars", "scalar", 1);
    static final Arm PLAIN_LARS = new Arm("scalarLars", null, 1);
    static final Arm NAIVE = new Arm("naive", null, 1);
    static final Arm SCAN = new Arm("scan", "vector", 1);
    static final Arm SCALAR_SGD = new Arm("sgd", "scalar", 1);
    static final Arm SGD = new Arm("sgd", "vector", 1);

    /** The arms that are measured on one layer of every size. */
    public static final List<Arm> SWEEP = List.of(LARS, SCALAR_LARS, SCAN, SGD);

    /** The arms that are measured on every layout, on a machine with a number of cores. */
    public static List<Arm> selection(int cores) {
        List<Arm> arms = new ArrayList<>(List.of(
                new Arm("scan", "scalar", 1),
                SCAN,
                SCALAR_SGD,
                SGD,
                new Arm("measure", "vector", 1),
                SCALAR_LARS,
                LARS,
                PLAIN_LARS,
                NAIVE));
        if (cores > 1) {
            arms.add(threads(cores));
        }
        return arms;
    }

    /** The whole step on several threads. */
    static Arm threads(int cores) {
        return new Arm("lars", "vector", cores);
    }

    /** The arm's name in tables. */
    public String name() {
        return method + (kernels == null ? "" : " " + kernels) + (threads > 1 ? " x" + threads : "");
    }

    /** Bytes read and written per parameter without any cache; 0 if unknown. */
    int bytes() {
        return switch (method) {
            case "scan", "measure" -> 8;
            case "sgd", "update" -> 20;
            case "lars", "scalarLars" -> 28;
            default -> 0;
        };
    }

    /** Returns whether the arm is a whole step of LARS. */
    boolean whole() {
        return method.equals("lars") || method.equals("scalarLars") || method.equals("naive");
    }

    /** The result of this arm with fresh sums, all taken before the first write. */
    public Optional<StepTimes.StepTime> in(StepTimes results, String layout) {
        List<String> wishes =
                new ArrayList<>(List.of("layout", layout, "sums", "fresh", "onBadGradient", "refuse", "threads"));
        wishes.add("" + threads);
        if (kernels != null) {
            wishes.addAll(List.of("kernels", kernels));
        }
        return results.fastest(method, wishes.toArray(String[]::new));
    }

    /** The time of this arm in ns; NaN if not measured. */
    double nanos(StepTimes results, String layout) {
        return in(results, layout).map(StepTimes.StepTime::nanos).orElse(Double.NaN);
    }
}
