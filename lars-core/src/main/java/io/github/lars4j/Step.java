package io.github.lars4j;

import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.kernel.Kernels;
import io.github.lars4j.internal.passes.Crew;
import io.github.lars4j.internal.passes.MeasurePass;
import io.github.lars4j.internal.passes.Plan;
import io.github.lars4j.internal.passes.UpdatePass;
import java.util.Arrays;
import java.util.Locale;

/**
 * Runs one step, round by round: measure (pass 1), decide (the rule), write (pass 2). Callers must check the arguments
 * and must not call it concurrently.
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
    private final int threads;
    private final Plan.Grain grain;
    private final boolean allSums;

    private final byte[] reads;
    private final LayerSums sums;
    private final StepReport report;
    /** Σw² of each layer after the last step; NaN if it is unknown. */
    private final double[] carried;
    /** The array to which {@link #carried} belongs. */
    private float[] carriedOf;

    private boolean wrote;

    Step(State state, Decision decision, boolean carrySums, KernelWish wish, int threads, Plan.Grain grain) {
        this(state, decision, carrySums, KernelSource.open(wish), threads, grain, new LayerSums(state.layers()));
    }

    private Step(
            State state,
            Decision decision,
            boolean carrySums,
            KernelSource source,
            int threads,
            Plan.Grain grain,
            LayerSums sums) {
        Layers layers = state.layers();
        int n = layers.size();
        int[] offsets = new int[n];
        int[] lengths = new int[n];
        for (int i = 0; i < n; i++) {
            offsets[i] = (int) layers.get(i).offset();
            lengths[i] = (int) layers.get(i).length();
        }
        this.state = state;
        this.carrySums = carrySums;
        this.threads = threads;
        this.grain = grain;
        this.allSums = decision.needsAllSums();
        this.plan = Plan.of(offsets, lengths, allSums, threads, grain);
        this.decision = decision;
        this.reads = new byte[n];
        this.sums = sums;
        this.report = new StepReport(state.setup);
        this.carried = new double[n];
        this.kernelSource = source;
        this.measurePass = new MeasurePass(plan);
        this.updatePass = new UpdatePass(plan, decision.coefficients());
        // Last, so that a failure above leaves no threads behind.
        this.crew = new Crew(threads);
    }

    /** Returns whether this step fits the setup of the state, so that no {@link #of} is needed. */
    boolean fits() {
        return allSums == decision.needsAllSums() && report.groups() == state.setup.groups.size();
    }

    /**
     * Returns a step with the same settings for another state, or for the same one after a change. It {@link #owns} the
     * sums of this one, as long as there are as many layers. The caller closes this one.
     */
    Step of(State other) {
        boolean sameSums = sums.layers().size() == other.layers().size();
        return new Step(
                other,
                decision.of(other),
                carrySums,
                kernelSource,
                threads,
                grain,
                sameSums ? sums : new LayerSums(other.layers()));
    }

    /** Runs the first half of a step: pass 1 over every round. */
    LayerSums measure(float[] params, Gradients gradients) {
        wrote = false;
        Kernels kernels = kernelSource.kernels();
        state.setup.setStep(state.step);
        beginWith(params);
        decideReads(gradients);
        for (int round = 0; round < plan.rounds(); round++) {
            measure(kernels, params, gradients, round);
        }
        return sums;
    }

    /**
     * Runs a whole step or, if sums are given, its second half. If the whole step can be refused or clipped, there is
     * only one round, so that all layers are decided before anything is written.
     *
     * @param loss the loss for the report
     * @param rate the learning rate of this step, without rate factors; the profiles have been set to the step
     * @param given the sums of every layer that has a gradient; {@code null} to measure them
     */
    StepReport take(float[] params, Gradients gradients, double loss, double rate, LayerSums given) {
        wrote = false;
        Kernels kernels = kernelSource.kernels();
        beginWith(params);
        if (given == null) {
            decideReads(gradients);
        }
        report.begin(state.setup, state.step, loss, rate, gradients.scale());
        boolean refused = false;
        for (int round = 0; round < plan.rounds(); round++) {
            if (given == null) {
                measure(kernels, params, gradients, round);
            }
            refused = !decide(given == null ? sums : given, gradients, round);
            if (!refused) {
                wrote = true;
                write(kernels, params, gradients, round);
            }
        }
        end(refused);
        return report;
    }

    /** Returns whether the last call has started to write, so that a failure leaves the state half written. */
    boolean wrote() {
        return wrote;
    }

    /** Discards carried sums if they belong to another array. */
    private void beginWith(float[] params) {
        if (!Arguments.same(carriedOf, params)) {
            forgetCarried();
            carriedOf = carrySums ? params : null;
        }
    }

    /** Determines which arrays pass 1 reads for each layer. */
    private void decideReads(Gradients gradients) {
        sums.begin(state.layers());
        for (int i = 0; i < reads.length; i++) {
            if (gradients.isMissing(i)) {
                reads[i] = MeasurePass.NOTHING;
            } else if (state.setup.profileOf(i).needsProducts) {
                reads[i] = MeasurePass.BOTH;
            } else {
                reads[i] = (byte) ((Double.isNaN(carried[i]) ? MeasurePass.WEIGHTS : 0)
                        | (gradients.squares() == null ? MeasurePass.GRADIENTS : 0));
            }
        }
    }

    /** Runs pass 1 over a round and stores the sums of its layers. */
    private void measure(Kernels kernels, float[] params, Gradients gradients, int round) {
        measurePass.run(crew, kernels, params, gradients.array(), reads, round);
        for (int i = plan.firstLayerOfRound(round); i < plan.firstLayerOfRound(round + 1); i++) {
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

    /** Applies the rule to the layers of a round; returns whether the step continues. */
    private boolean decide(LayerSums from, Gradients gradients, int round) {
        return decision.decide(
                plan.firstLayerOfRound(round), plan.firstLayerOfRound(round + 1), from, gradients, report);
    }

    /** Runs pass 2 over a round and updates the state of its layers. */
    private void write(Kernels kernels, float[] params, Gradients gradients, int round) {
        boolean[] updates = decision.updates();
        updatePass.run(
                crew,
                kernels,
                params,
                gradients.array(),
                state.momentum,
                updates,
                decision.withMomentum(),
                carrySums,
                round);
        for (int i = plan.firstLayerOfRound(round); i < plan.firstLayerOfRound(round + 1); i++) {
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
            state.trustCoefficients[i] = Double.isNaN(gradients.trustRatio(i))
                    ? state.setup.profileOf(i).coefficientToCorrect()
                    : 0;
        }
    }

    private void end(boolean refused) {
        if (refused) {
            state.refusals++;
        } else {
            state.loseMomentum();
            state.step++;
        }
        report.ended(refused, state.refusals);
    }

    /** Returns whether these sums are the object that {@link #measure} returns. */
    @SuppressWarnings("ReferenceEquality")
    boolean owns(LayerSums given) {
        return given == sums;
    }

    /** Discards carried sums, because the weights have changed. */
    void forgetCarried() {
        Arrays.fill(carried, Double.NaN);
    }

    /** Describes the kernels of the next step. */
    String kernels() {
        return kernelSource.describe();
    }

    /** Ends the threads. */
    @Override
    public void close() {
        crew.close();
    }

    /** Describes the kernels, the arrays that pass 1 reads, the groups, and the plan of work. */
    @Override
    public String toString() {
        int both = 0;
        for (int i = 0; i < reads.length; i++) {
            both += state.setup.profileOf(i).mayNeedProducts() ? 1 : 0;
        }
        String read = !carrySums
                ? "pass 1 reads weights and gradients"
                : "pass 1 reads the gradients, and the weights of " + both + " layers whose ratio needs the sum of w·g";
        StringBuilder groups = new StringBuilder();
        for (Group group : state.setup.groups) {
            groups.append(String.format(
                    Locale.ROOT,
                    "group \"%s\" (%s): %d layers%n",
                    group.name(),
                    group.settings(),
                    group.layers().size()));
        }
        return String.join(System.lineSeparator(), kernels(), read, groups + plan.toString());
    }
}
