package io.github.lars4j.spark;

import io.github.lars4j.Group;
import io.github.lars4j.Lars;
import io.github.lars4j.LayerSums;
import io.github.lars4j.Layers;
import io.github.lars4j.Outcome;
import io.github.lars4j.StepReport;
import java.io.Serializable;
import java.util.Arrays;
import java.util.List;

/**
 * What the driver has decided about a step, from which every shard decides the same. That it does is checked: an executor
 * whose optimizer is another one, because its settings or its jar are, must not make a mixture of the two.
 */
final class DriverDecision implements Serializable {

    private static final long serialVersionUID = 1;

    /** Σw², Σg² and Σw·g of each layer. */
    private final double[] sums;
    /** The step, and outcome, trust ratio and effective rate of each layer. */
    private final double[] decisions;
    /** Which layers are in which groups. */
    private final String groups;

    DriverDecision(LayerSums sums, StepReport report, Lars lars) {
        this.sums = new double[3 * sums.layers().size()];
        for (int i = 0; i < sums.layers().size(); i++) {
            this.sums[3 * i] = sums.weights(i);
            this.sums[3 * i + 1] = sums.gradients(i);
            this.sums[3 * i + 2] = sums.products(i);
        }
        this.decisions = decisions(report);
        this.groups = groups(lars);
    }

    private static double[] decisions(StepReport report) {
        int layers = report.layers().size();
        double[] decisions = new double[1 + 3 * layers];
        decisions[0] = report.step();
        for (int i = 0; i < layers; i++) {
            // Only where the elements are is it known that they overflow.
            Outcome outcome = report.outcome(i) == Outcome.OVERFLOWED ? Outcome.UPDATED : report.outcome(i);
            decisions[1 + 3 * i] = outcome.ordinal();
            decisions[2 + 3 * i] = report.trustRatio(i);
            decisions[3 + 3 * i] = report.effectiveRate(i);
        }
        return decisions;
    }

    private static String groups(Lars lars) {
        List<Group> groups = lars.groups();
        return groups.stream()
                .map(group -> group.name() + ": " + group.layers())
                .toList()
                .toString();
    }

    /** The sums, for the layers of a shard. */
    LayerSums sums(Layers layers) {
        LayerSums unpacked = new LayerSums(layers);
        for (int i = 0; i < layers.size(); i++) {
            unpacked.setWeights(i, sums[3 * i]);
            unpacked.setGradients(i, sums[3 * i + 1]);
            unpacked.setProducts(i, sums[3 * i + 2]);
        }
        return unpacked;
    }

    /** Refuses a shard's step about which something else was decided. */
    void requireSame(StepReport report, Lars lars) {
        if (!groups.equals(groups(lars))) {
            throw new IllegalStateException("the optimizer on an executor has the groups " + groups(lars)
                    + "; they must be those on the driver, " + groups + ", so a group must choose its layers by name");
        }
        if (!Arrays.equals(decisions, decisions(report))) {
            throw new IllegalStateException("the optimizer on an executor has decided otherwise than that on the driver"
                    + " about step " + report.step() + "; both must be built by the same settings");
        }
    }
}
