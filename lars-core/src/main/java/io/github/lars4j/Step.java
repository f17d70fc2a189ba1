package io.github.lars4j;

import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.kernel.RandomBits;
import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.Operand;
import io.github.lars4j.internal.passes.BlockKernels;
import io.github.lars4j.internal.passes.Crew;
import io.github.lars4j.internal.passes.MeasurePass;
import io.github.lars4j.internal.passes.Plan;
import io.github.lars4j.internal.passes.UpdatePass;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Locale;

/**
 * Runs one step, round by round: measure (pass 1), decide (the rule), write (pass 2). Callers must check the arguments
 * and must not call it concurrently.
 */
final class Step implements AutoCloseable {

    private final State state;
    private final boolean carrySums;
    private final Decision decision;
    private final KernelSource kernelSource;
    private final BlockKernels kernels;
    private final Work whole;
    /** The work of a step that goes layer by layer; {@code null} until there is one. */
    private LayerByLayer layerByLayer;

    private final Crew crew;
    private final int threads;
    private final Plan.Grain grain;
    private final boolean allSums;

    private final byte[] reads;
    private final LayerSums sums;
    private final StepReport report;
    /** Σw² of each layer after the last step; NaN if it is unknown. */
    private final double[] carried;
    /** The weights to which {@link #carried} belongs, an array or tensors, which this does not keep alive. */
    private WeakReference<Object> carriedOf = new WeakReference<>(null);

    /** The key of each layer's random bits in this step; {@code null} until momentum is rounded stochastically. */
    private long[] keys;

    private Operand weights;
    private Operand gradients;
    private Operand momentum;
    private Operand halfWeights;
    private boolean wrote;

    /** The plan of a step, and the passes that follow it. */
    private record Work(Plan plan, MeasurePass measure, UpdatePass update) {}

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
        int n = state.layers().size();
        this.state = state;
        this.carrySums = carrySums;
        this.threads = threads;
        this.grain = grain;
        this.allSums = decision.needsAllSums();
        this.decision = decision;
        this.reads = new byte[n];
        this.sums = sums;
        this.report = new StepReport(state.setup);
        this.carried = new double[n];
        forgetCarried();
        this.kernelSource = source;
        this.kernels = new BlockKernels(source, threads);
        this.whole = work(allSums ? Plan.Rounds.ONE : Plan.Rounds.IN_CACHE);
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

    private Work work(Plan.Rounds rounds) {
        long[] lengths = new long[state.layers().size()];
        Arrays.setAll(lengths, i -> state.layers().get(i).length());
        Plan plan = Plan.of(lengths, rounds, threads, grain);
        return new Work(plan, new MeasurePass(plan), new UpdatePass(plan, decision.coefficients()));
    }

    Layers layers() {
        return state.layers();
    }

    /** Runs the first half of a step: pass 1 over every round. */
    LayerSums measure(Tensors params, Gradients gradients) {
        state.setup.setStep(state.step);
        try {
            beginWith(params, gradients, null);
            decideReads(gradients, true);
            for (int round = 0; round < whole.plan.rounds(); round++) {
                measure(whole, gradients, round);
            }
            return sums;
        } finally {
            forgetOperands();
        }
    }

    /** Runs pass 1 over every round, and keeps the sums of the blocks apart. */
    ShardSums measureBlocks(Tensors params, Gradients gradients) {
        try {
            beginWith(params, gradients, null);
            for (int i = 0; i < reads.length; i++) {
                reads[i] = gradients.isMissing(i) ? MeasurePass.NOTHING : MeasurePass.ALL;
            }
            ShardSums blocks = ShardSums.forBlocks(whole.plan.blocks());
            for (int round = 0; round < whole.plan.rounds(); round++) {
                whole.measure.run(
                        crew, kernels.toMeasure(weights, this.gradients), weights, this.gradients, reads, round);
                int first = whole.plan.firstLayerOfRound(round);
                int last = whole.plan.firstLayerOfRound(round + 1);
                for (int b = whole.plan.firstBlock(first); b < whole.plan.firstBlock(last); b++) {
                    whole.measure.copy(b, blocks::set);
                }
            }
            return blocks;
        } finally {
            forgetOperands();
        }
    }

    /** Forgets where everything lies, so that this does not keep the trainer's arrays alive between two calls. */
    void forgetOperands() {
        weights = null;
        gradients = null;
        momentum = null;
        halfWeights = null;
        if (layerByLayer != null) {
            layerByLayer.forget();
        }
    }

    /**
     * Runs a whole step or, if sums are given, its second half. If the whole step can be refused or clipped, there is
     * only one round, so that all layers are decided before anything is written.
     *
     * @param halfWeights where bfloat16 copies of the new weights go; {@code null} if there are none
     * @param loss the loss for the report
     * @param rate the learning rate of this step, without rate factors; the profiles have been set to the step
     * @param given the sums of every layer that has a gradient; {@code null} to measure them
     */
    StepReport take(
            Tensors params, Gradients gradients, Tensors halfWeights, double loss, double rate, LayerSums given) {
        try {
            return takeNow(params, gradients, halfWeights, loss, rate, given);
        } finally {
            forgetOperands();
        }
    }

    private StepReport takeNow(
            Tensors params, Gradients gradients, Tensors halfWeights, double loss, double rate, LayerSums given) {
        beginWith(params, gradients, halfWeights);
        if (given == null) {
            decideReads(gradients, false);
        }
        report.begin(state.setup, state.step, loss, rate, gradients.scale());
        boolean refused = false;
        for (int round = 0; round < whole.plan.rounds(); round++) {
            if (given == null) {
                measure(whole, gradients, round);
            }
            refused = !decide(whole, given == null ? sums : given, gradients, round);
            if (!refused) {
                write(whole, gradients, round);
            }
        }
        end(refused);
        return report;
    }

    /** What a step that goes layer by layer needs besides. */
    private final class LayerByLayer {

        private final Work work = work(Plan.Rounds.EACH_LAYER);
        /** The place of the gradient in arrays and in segments of each format; {@code null} until it is needed. */
        private final Operand[] arrays = new Operand[Format.values().length];

        private final Operand[] segments = new Operand[Format.values().length];
        private final Gradients given = Gradients.of(new float[0]);

        /** Returns the place of the gradient of a layer. */
        Operand placeOf(int layer, Object gradient, Format format) {
            boolean onHeap = !(gradient instanceof MemorySegment);
            Operand[] places = onHeap ? arrays : segments;
            Operand place = places[format.ordinal()];
            if (place == null) {
                place = Operand.ofOneLayer(format.type(), state.layers().size(), onHeap);
                places[format.ordinal()] = place;
            }
            if (onHeap) {
                place.setArray(gradient);
            } else {
                place.setSegment(layer, (MemorySegment) gradient);
            }
            return place;
        }

        void forget() {
            for (int i = 0; i < arrays.length; i++) {
                if (arrays[i] != null) {
                    arrays[i].setArray(null);
                }
                if (segments[i] != null) {
                    segments[i].setSegment(0, MemorySegment.NULL);
                }
            }
        }
    }

    /**
     * Begins a step that goes layer by layer.
     *
     * @param halfWeights as for {@link #take}
     * @param rate as for {@link #take}
     */
    void begin(Tensors params, double gradientScale, Tensors halfWeights, double rate) {
        if (layerByLayer == null) {
            layerByLayer = new LayerByLayer();
        }
        layerByLayer.given.scale(gradientScale);
        locate(params, halfWeights);
        sums.begin(state.layers());
        report.begin(state.setup, state.step, Double.NaN, rate, gradientScale);
    }

    /** Returns the place of the gradient of a layer, an array or a segment outside the heap. */
    Operand placeOf(int layer, Object gradient, Format format) {
        return layerByLayer.placeOf(layer, gradient, format);
    }

    /** Measures a layer, decides what happens to it, and writes it. */
    Outcome takeLayer(int layer, Operand gradient) {
        LayerByLayer now = layerByLayer;
        wrote = false;
        gradients = gradient;
        setFormats();
        decideRead(layer, now.given, false);
        measure(now.work, now.given, layer);
        decide(now.work, sums, now.given, layer);
        write(now.work, now.given, layer);
        return report.outcome(layer);
    }

    /** Writes the copies of the weights of all layers that were not taken. */
    void copyOthers(BitSet taken) {
        gradients = weights; // not read
        setFormats();
        for (int i = taken.nextClearBit(0); i < reads.length; i = taken.nextClearBit(i + 1)) {
            decision.updates()[i] = false;
            write(layerByLayer.work, layerByLayer.given, i);
        }
    }

    /** Ends a step that goes layer by layer. Layers that were not taken have no gradient. */
    StepReport endLayers() {
        wrote = true;
        end(false);
        return report;
    }

    /** Returns whether the last call has started to write, so that a failure leaves the state half written. */
    boolean wrote() {
        return wrote;
    }

    /** Begins a call: finds out where everything lies, and discards carried sums if they belong to other weights. */
    private void beginWith(Tensors params, Gradients given, Tensors halves) {
        locate(params, halves);
        gradients = given.tensors().operand(state.layers());
        setFormats();
    }

    private void setFormats() {
        kernels.formats(
                gradients.type(),
                momentum == null ? ElementType.FLOAT32 : momentum.type(),
                momentum != null && state.storage.seed() != null,
                halfWeights != null);
    }

    private void locate(Tensors params, Tensors halves) {
        wrote = false;
        halfWeights = halves == null ? null : halves.operand(state.layers());
        weights = params.operand(state.layers());
        momentum = state.momentum == null ? null : state.momentum.tensors.operand(state.layers());
        setKeys();
        Object identity = params.array() == null ? params : params.array();
        if (carrySums && !carriedOf.refersTo(identity)) {
            forgetCarried();
            carriedOf = new WeakReference<>(identity);
        }
    }

    private void setKeys() {
        if (state.storage.seed() == null) {
            return;
        }
        if (keys == null) {
            keys = new long[reads.length];
        }
        for (int i = 0; i < keys.length; i++) {
            keys[i] = RandomBits.layerKey(state.storage.seed(), state.step, i);
        }
    }

    /**
     * Determines which arrays pass 1 reads for each layer, and for which sums.
     *
     * @param later whether the sums are for an update later, in which the weight decay may be another
     */
    private void decideReads(Gradients gradients, boolean later) {
        sums.begin(state.layers());
        for (int i = 0; i < reads.length; i++) {
            decideRead(i, gradients, later);
        }
    }

    private void decideRead(int layer, Gradients gradients, boolean later) {
        Profile profile = state.setup.profileOf(layer);
        if (gradients.isMissing(layer)) {
            reads[layer] = MeasurePass.NOTHING;
        } else if (later ? profile.mayNeedProducts() : profile.needsProducts) {
            reads[layer] = MeasurePass.ALL;
        } else {
            reads[layer] = (byte) ((Double.isNaN(carried[layer]) ? MeasurePass.WEIGHTS : 0)
                    | (gradients.squares() == null ? MeasurePass.GRADIENTS : 0));
        }
    }

    /** Runs pass 1 over a round and stores the sums of its layers. */
    private void measure(Work work, Gradients given, int round) {
        Plan plan = work.plan;
        MeasurePass measurePass = work.measure;
        measurePass.run(crew, kernels.toMeasure(weights, gradients), weights, gradients, reads, round);
        for (int i = plan.firstLayerOfRound(round); i < plan.firstLayerOfRound(round + 1); i++) {
            if (given.isMissing(i)) {
                continue;
            }
            byte read = reads[i];
            sums.setWeights(i, (read & MeasurePass.WEIGHTS) != 0 ? measurePass.weights(i) : carried[i]);
            sums.setGradients(i, (read & MeasurePass.GRADIENTS) != 0 ? measurePass.gradients(i) : given.squares()[i]);
            if (read == MeasurePass.ALL) {
                sums.setProducts(i, measurePass.products(i));
            }
        }
    }

    /** Applies the rule to the layers of a round; returns whether the step continues. */
    private boolean decide(Work work, LayerSums from, Gradients given, int round) {
        return decision.decide(
                work.plan.firstLayerOfRound(round), work.plan.firstLayerOfRound(round + 1), from, given, report);
    }

    /** Runs pass 2 over a round and updates the state of its layers. */
    private void write(Work work, Gradients given, int round) {
        Plan plan = work.plan;
        UpdatePass updatePass = work.update;
        boolean[] updates = decision.updates();
        BlockKernels chosen = kernels.toUpdate(weights, gradients, momentum, halfWeights);
        wrote = true; // choosing kernels may fail
        updatePass.run(
                crew,
                chosen,
                weights,
                gradients,
                momentum,
                halfWeights,
                keys,
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
            boolean overflowed = updatePass.overflowed(i) || (carrySums && !Double.isFinite(carried[i]));
            report.outcome(i, overflowed ? Outcome.OVERFLOWED : Outcome.UPDATED);
            state.begun[i] = true;
            state.learningRates[i] = report.layerRate(i);
            state.trustRatios[i] = report.trustRatio(i);
            state.trustCoefficients[i] =
                    Double.isNaN(given.trustRatio(i)) ? state.setup.profileOf(i).coefficientToCorrect() : 0;
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

    /**
     * Checks that this step can go layer by layer.
     *
     * @throws IllegalStateException if all sums are needed before the first write
     */
    void requireLayerByLayer() {
        if (allSums) {
            throw new IllegalStateException("beginStep was called, but " + decision.whyAllSums());
        }
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
        return String.join(System.lineSeparator(), kernels(), read, groups + whole.plan.toString());
    }
}
