package io.github.lars4j;

import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.Kernels;
import io.github.lars4j.internal.passes.Crew;
import io.github.lars4j.internal.passes.MeasurePass;
import io.github.lars4j.internal.passes.Plan;
import io.github.lars4j.internal.passes.UpdatePass;
import java.util.Arrays;

/**
 * One step, group after group: measure (pass 1), decide (the rule), write (pass 2). Its callers check arguments and let
 * in one call at a time.
 */
final class Step implements AutoCloseable {

    private final State state;
    private final boolean carrySums;
    private final Plan plan;
    private final Decision decision;
    private final KernelSource kernelSource;
    private final MeasurePass measurePass;
    private final UpdatePass updatePass;
    private final Crew crew;

    private final byte[] reads;
    private final LayerSums sums;
    private final StepReport report;
    /** Σw² of each layer after the last step; NaN where it is not known. */
    private final double[] carried;
    /** The array that {@link #carried} is about. */
    private float[] carriedOf;

    private boolean wrote;

    Step(State state, Decision decision, boolean carrySums, int threads, Plan.Grain grain) {
        Layers layers = state.layers;
        int n = layers.size();
        int[] offsets = new int[n];
        int[] lengths = new int[n];
        for (int i = 0; i < n; i++) {
            offsets[i] = (int) layers.get(i).offset();
            lengths[i] = (int) layers.get(i).length();
        }
        this.state = state;
        this.carrySums = carrySums;
        this.plan = Plan.of(offsets, lengths, decision.needsAllSums(), threads, grain);
        this.decision = decision;
        this.reads = new byte[n];
        this.sums = new LayerSums(layers);
        this.report = new StepReport(layers);
        this.carried = new double[n];
        this.kernelSource = KernelSource.open();
        this.measurePass = new MeasurePass(plan);
        this.updatePass = new UpdatePass(plan, decision.coefficients());
        // Last, so that nothing that fails leaves threads behind.
        this.crew = new Crew(threads);
    }

    /** The first half: pass 1 over every group. */
    LayerSums measure(float[] params, Gradients gradients) {
        wrote = false;
        Kernels kernels = kernelSource.kernels();
        beginWith(params);
        decideReads(gradients);
        for (int group = 0; group < plan.groups(); group++) {
            measure(kernels, params, gradients, group);
        }
        return sums;
    }

    /**
     * A whole step or, if sums are given, its second half. Under a policy that can refuse a step there is one group, so
     * that every layer is decided about before anything is written.
     *
     * @param loss the loss to report
     * @param rate γ of this step
     * @param given the sums of every layer that has a gradient; {@code null} to measure them
     */
    StepReport take(float[] params, Gradients gradients, double loss, double rate, LayerSums given) {
        wrote = false;
        Kernels kernels = kernelSource.kernels();
        beginWith(params);
        if (given == null) {
            decideReads(gradients);
        }
        report.begin(state.layers, state.step, loss, rate, gradients.scale());
        boolean refused = false;
        for (int group = 0; group < plan.groups(); group++) {
            if (given == null) {
                measure(kernels, params, gradients, group);
            }
            refused = !decide(given == null ? sums : given, gradients, rate, group);
            if (!refused) {
                wrote = true;
                write(kernels, params, gradients, group);
            }
        }
        end(refused);
        return report;
    }

    /** Whether the last call has begun to write, so that a failure has left the state half written. */
    boolean wrote() {
        return wrote;
    }

    /** Forgets carried sums if they are of another array. */
    private void beginWith(float[] params) {
        if (!Arguments.same(carriedOf, params)) {
            forgetCarried();
            carriedOf = carrySums ? params : null;
        }
    }

    /** Decides what pass 1 reads of each layer. */
    private void decideReads(Gradients gradients) {
        sums.begin(state.layers);
        for (int i = 0; i < reads.length; i++) {
            if (gradients.isMissing(i)) {
                reads[i] = MeasurePass.NOTHING;
            } else if (state.needsProducts(i)) {
                reads[i] = MeasurePass.BOTH;
            } else {
                reads[i] = (byte) ((Double.isNaN(carried[i]) ? MeasurePass.WEIGHTS : 0)
                        | (gradients.squares() == null ? MeasurePass.GRADIENTS : 0));
            }
        }
    }

    /** Pass 1 over a group, and the sums of its layers. */
    private void measure(Kernels kernels, float[] params, Gradients gradients, int group) {
        measurePass.run(crew, kernels, params, gradients.array(), reads, group);
        for (int i = plan.groupFirstLayer(group); i < plan.groupFirstLayer(group + 1); i++) {
            if (gradients.isMissing(i)) {
                continue;
            }
            byte read = reads[i];
            sums.setWeights(i, (read & MeasurePass.WEIGHTS) != 0 ? measurePass.weights(i) : carried[i]);
            sums.setGradients(
                    i,
                    (read & MeasurePass.GRADIENTS) != 0
                            ? measurePass.gradients(i)
                            : gradients.squares()[i]);
            if (read == MeasurePass.BOTH) {
                sums.setProducts(i, measurePass.products(i));
            }
        }
    }

    /** The rule for a group's layers; returns whether the step goes on. */
    private boolean decide(LayerSums from, Gradients gradients, double rate, int group) {
        return decision.decide(
                plan.groupFirstLayer(group), plan.groupFirstLayer(group + 1), from, gradients, rate, report);
    }

    /** Pass 2 over a group, and what the state keeps of it. */
    private void write(Kernels kernels, float[] params, Gradients gradients, int group) {
        float[] momentum = state.hasMomentum() ? state.momentum : null;
        boolean[] updates = decision.updates();
        updatePass.run(crew, kernels, params, gradients.array(), momentum, updates, carrySums, group);
        for (int i = plan.groupFirstLayer(group); i < plan.groupFirstLayer(group + 1); i++) {
            if (!updates[i]) {
                continue;
            }
            if (carrySums) {
                carried[i] = updatePass.squares(i);
            }
            report.outcome(i, carrySums && !Double.isFinite(carried[i]) ? Outcome.OVERFLOWED : Outcome.UPDATED);
            state.begun[i] = true;
            state.learningRates[i] = report.layerRate(i);
            state.trustRatios[i] = report.trustRatio(i);
        }
    }

    private void end(boolean refused) {
        if (refused) {
            state.refusals++;
        } else {
            state.step++;
        }
        report.ended(refused, state.refusals);
    }

    /** Whether these are the sums of this step's own measure. */
    @SuppressWarnings("ReferenceEquality")
    boolean owns(LayerSums given) {
        return given == sums;
    }

    /** Makes the next step measure Σw² anew, because the weights have changed. */
    void forgetCarried() {
        Arrays.fill(carried, Double.NaN);
    }

    /** Which kernels the next step runs on, and why. */
    String kernels() {
        return kernelSource.describe();
    }

    /** Ends the threads. */
    @Override
    public void close() {
        crew.close();
    }

    /** The kernels, what pass 1 reads, and the order of work. */
    @Override
    public String toString() {
        int both = 0;
        for (int i = 0; i < reads.length; i++) {
            both += state.needsProducts(i) ? 1 : 0;
        }
        String read = !carrySums
                ? "pass 1 reads weights and gradients"
                : "pass 1 reads the gradients, and the weights of " + both + " layers whose ratio needs the sum of w·g";
        return String.join(System.lineSeparator(), kernels(), read, plan.toString());
    }
}
