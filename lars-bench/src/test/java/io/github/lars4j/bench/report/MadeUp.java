package io.github.lars4j.bench.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;

/** A made-up run with round figures, as JMH's JSON and as a whole file. */
final class MadeUp {

    static final String ENVIRONMENT = """
            {"CPU":"Made-up <1> & co, 2 cores","caches":"L1d 32K, L1i 64K, L2 1024K, L3 32768K","JDK":"25","kernels":"k"}""";

    private MadeUp() {}

    /** One result of JMH: a time in µs for each fork. */
    static String run(String method, String layout, String kernels, int threads, double... forks) {
        String raw = DoubleStream.of(forks)
                .mapToObj(time -> "[" + time + "," + time + "]")
                .collect(Collectors.joining(","));
        return String.format(
                Locale.ROOT,
                """
                {"benchmark":"io.github.lars4j.bench.arms.StepBenchmark.%s","mode":"avgt",\
                "jvm":"/opt/jdk-25/bin/java","jvmArgs":["-Dlib=/home/me/lib","-Xmx1g"],\
                "params":{"layout":"%s"%s},\
                "primaryMetric":{"score":%f,"scoreError":"NaN","scoreUnit":"us/op","rawData":[%s]}}""",
                method,
                layout,
                kernels == null
                        ? ""
                        : ",\"kernels\":\"" + kernels + "\",\"threads\":\"" + threads
                                + "\",\"sums\":\"fresh\",\"onBadGradient\":\"refuse\"",
                DoubleStream.of(forks).average().orElseThrow(),
                raw);
    }

    /** All arms of a layout; the step on SIMD kernels takes 150 µs a thousand parameters, SGD 100. */
    static List<String> layout(String layout, double thousands) {
        return List.of(
                run("scan", layout, "scalar", 1, 90 * thousands, 90 * thousands),
                run("scan", layout, "vector", 1, 40 * thousands, 40 * thousands),
                run("sgd", layout, "scalar", 1, 101 * thousands, 101 * thousands),
                run("sgd", layout, "vector", 1, 100 * thousands, 100 * thousands),
                run("measure", layout, "vector", 1, 60 * thousands, 60 * thousands),
                run("lars", layout, "scalar", 1, 300 * thousands, 300 * thousands),
                run("lars", layout, "vector", 1, 140 * thousands, 160 * thousands),
                run("scalarLars", layout, null, 1, 180 * thousands, 180 * thousands),
                run("naive", layout, null, 1, 1200 * thousands, 1200 * thousands),
                run("lars", layout, "vector", 2, 100 * thousands, 100 * thousands));
    }

    /** JMH's results of two layouts, and of single layers of four sizes. */
    static List<String> runs() {
        List<String> runs = new ArrayList<>(layout("resnet50", 25_557));
        runs.addAll(layout("<mine>.txt", 1));
        for (int size : new int[] {16, 1024, 65_536, 1 << 20}) {
            runs.add(run("lars", size + "x1", "vector", 1, 0.1 + size * 15e-5));
            runs.add(run("lars", size + "x1", "scalar", 1, 0.1 + size * 30e-5));
            runs.add(run("scan", size + "x1", "vector", 1, size * 4e-5));
            runs.add(run("sgd", size + "x1", "vector", 1, size * 10e-5));
        }
        return runs;
    }

    /** As {@code -rf json} writes it. */
    static String jmh() {
        return "[\n" + String.join(",\n", runs()) + "\n]\n";
    }

    /** As {@code results.json} has it. */
    static String file() {
        return file(jmh());
    }

    /** The same with these runs. */
    static String file(String jmh) {
        return """
                {"command":"java -jar lars-bench.jar --out a&b","cores":2,"environment":%s,
                "layouts":[{"name":"resnet50","parameters":25557032,"tensors":161},
                {"name":"<mine>.txt","parameters":1000,"tensors":3}],
                "coldStarts":[
                {"layout":"4096x10","kernels":"scalar","steps":[1,2,10],"millis":[2.0,3.0,7.0]},
                {"layout":"4096x10","kernels":"scalar","steps":[1,2,10],"millis":[4.0,8.0,16.0]},
                {"layout":"4096x10","kernels":"scalar","steps":[1,2,10],"millis":[3.0,5.0,13.0]},
                {"layout":"4096x10","kernels":"auto","steps":[1,2,10],"millis":[3.0,5.0,13.0]}],
                "runs":%s}""".formatted(ENVIRONMENT, jmh);
    }
}
