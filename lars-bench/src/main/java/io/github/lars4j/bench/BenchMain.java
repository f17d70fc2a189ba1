package io.github.lars4j.bench;

/** Runs the benchmarks: the arguments are JMH's. */
public final class BenchMain {

    private BenchMain() {}

    public static void main(String[] args) throws Exception {
        org.openjdk.jmh.Main.main(args);
    }
}
