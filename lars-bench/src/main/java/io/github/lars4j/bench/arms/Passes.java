package io.github.lars4j.bench.arms;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.internal.passes.Crew;
import java.util.Arrays;
import java.util.List;

/**
 * The array work that every LARS with sums in double has to do, and nothing else: the sums of squares, in the fastest
 * order, and a step of SGD; or that step alone. There is no rule in between; all layers have the same rate.
 */
final class Passes implements AutoCloseable {

    private final Layers layers;
    private final boolean readWeights;
    private final boolean readGradients;
    private final boolean carry;
    private final boolean allSumsFirst;
    private final Crew crew;
    private final Crew.Task share = this::share;
    /** Of each thread. */
    private final List<Loops> loops;
    /** Σw² and Σg² by thread, each thread's apart from the next one's. */
    private final double[][] sums;

    /**
     * Makes the passes.
     *
     * @param layers without gaps
     * @param known {@code fresh}, {@code carried} or {@code given}: which sums pass 1 need not take; {@code unused}
     *     takes none at all, which leaves a step of SGD
     * @param allSumsFirst whether pass 1 covers all layers before pass 2 begins; otherwise both go layer by layer
     * @param loops those of each thread. The threads take about equal shares and do not wait for each other between the passes
     */
    Passes(Layers layers, String known, boolean allSumsFirst, List<Loops> loops) {
        this.layers = layers;
        this.readWeights = known.equals("fresh");
        this.readGradients = readWeights || known.equals("carried");
        // If pass 1 does not read the weights, their squares are carried over from the previous step.
        this.carry = !readWeights && !known.equals("unused");
        this.allSumsFirst = allSumsFirst;
        this.loops = List.copyOf(loops);
        this.sums = new double[loops.size()][2 + Crew.APART / Double.BYTES];
        this.crew = new Crew(loops.size());
    }

    /** Takes a step; returns the total of all sums. */
    double run() {
        crew.run(share);
        double sum = 0;
        for (double[] own : sums) {
            sum += own[0] + own[1];
        }
        return sum;
    }

    private void share(int thread) {
        double[] own = sums[thread];
        Arrays.fill(own, 0);
        int from = begin(thread);
        int to = begin(thread + 1);
        Loops each = loops.get(thread);
        if (allSumsFirst) {
            measure(each, from, to, own);
            update(each, from, to, own);
            return;
        }
        for (int i = 0; i < layers.size(); i++) {
            Layer layer = layers.get(i);
            int first = Math.max(from, (int) layer.offset());
            int last = Math.min(to, (int) layer.end());
            if (first < last) {
                measure(each, first, last, own);
                update(each, first, last, own);
            }
        }
    }

    /** Where the share of a thread begins: at a multiple of {@link EightBit#BLOCK}. */
    private int begin(int thread) {
        return (int) (thread == sums.length ? layers.end() : layers.end() * thread / sums.length & -EightBit.BLOCK);
    }

    private void measure(Loops each, int from, int to, double[] own) {
        for (int i = from; i < to && readGradients; i += each.chunk()) {
            int end = Math.min(to, i + each.chunk());
            if (readWeights) {
                each.sums(i, end, own);
            } else {
                own[1] += each.squares(i, end);
            }
        }
    }

    private void update(Loops each, int from, int to, double[] own) {
        for (int i = from; i < to; i += each.chunk()) {
            int end = Math.min(to, i + each.chunk());
            if (carry) {
                own[0] += each.sgdAndSquare(i, end);
            } else {
                each.sgd(i, end);
            }
        }
    }

    @Override
    public void close() {
        crew.close();
    }
}
