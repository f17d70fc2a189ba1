package io.github.lars4j.bench.accuracy;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** How fast each {@link Norm} is. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--sun-misc-unsafe-memory-access=allow"})
public class NormBenchmark {

    /** The values, and what is done to them. */
    @State(Scope.Thread)
    public static class Values {
        /** The name of a {@link Norm}. */
        @Param({"float loop", "float SIMD", "pairwise", "Kahan", "scalar stripes", "vector stripes"})
        public String norm;

        /** In cache, and not. */
        @Param({"32768", "16777216"})
        public int elements;

        Norm method;
        float[] values;

        /** Finds the norm and fills the array. */
        @Setup
        public void prepare() {
            method = Norm.named(norm);
            values = HardVector.gaussians(elements, 1, 1);
        }
    }

    /** One norm. */
    @Benchmark
    public float norms(Values s) {
        return s.method.of(s.values);
    }
}
