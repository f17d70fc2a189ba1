package io.github.lars4j;

import io.github.lars4j.internal.CallGuard;
import io.github.lars4j.internal.Checks;
import io.github.lars4j.internal.kernel.Stripes;
import io.github.lars4j.internal.passes.Plan;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import java.util.Arrays;
import java.util.Objects;
import java.util.function.DoubleSupplier;

/**
 * Layer-wise adaptive rate scaling: SGD with momentum, each layer's learning rate scaled by its trust ratio (You,
 * Gitman and Ginsburg, <i>Large Batch Training of Convolutional Networks</i>, 2017).
 *
 * <p>A step is two passes over flat arrays with the rule between them: pass 1 takes three sums of every layer, the rule
 * makes coefficients of them, pass 2 updates weights and momentum. {@link #step} does both; {@link #measure} and {@link
 * #update} are the halves, with {@link LayerSums} between them.
 *
 * <p>Everything computed is the same bits on every machine, with scalar and with vector kernels, at every vector width
 * and for every number of threads. After the first step none allocates.
 *
 * <p>Sums are taken in double, and elements updated in float. From what exact arithmetic makes of the same numbers and
 * trust ratio, a weight is off by at most 8.01 · 2⁻²⁴ of the sum of its terms' magnitudes, an element of the momentum
 * by 4.01 · 2⁻²⁴, and each by a few of the least floats beside ({@code StepAccuracyTest} derives it).
 *
 * <p>One call at a time: a call while another is under way throws an {@link IllegalStateException} and changes nothing.
 */
public final class Lars implements AutoCloseable {

    private final State state;
    private final Step step;
    private final CallGuard guard = new CallGuard();
    private final Gradients plain = Gradients.of(new float[0]);
    private Schedule schedule;

    private Lars(Builder builder) {
        Layers layers = builder.layers;
        float[] momentum = builder.momentumBuffer;
        if (momentum == null && builder.hyperparameters.momentum() != 0) {
            momentum = new float[(int) layers.end()];
        }
        this.state = new State(layers, builder.hyperparameters, momentum);
        Arrays.fill(state.begun, builder.momentumBuffer != null);
        this.schedule = builder.schedule;
        Decision decision = new Decision(state, builder.onBadGradient, builder.maxGradientNorm);
        this.step = new Step(state, decision, builder.carrySums, builder.parallelism, builder.grain);
    }

    /** Starts to build an optimizer of these layers. */
    public static Builder builder(Layers layers) {
        return new Builder(layers);
    }

    /**
     * Takes a step.
     *
     * @param params weights, at least {@link Layers#end} elements; read, and written in the layers alone
     * @param gradients laid out as the weights are; only read
     * @return the report of this step, live until the next
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if an array is too short or passed twice, or the schedule gives a rate that is
     *     not finite and 0 or more; nothing has changed then
     * @throws NonFiniteException under {@link OnBadGradient#THROW}, if anything is not finite; nothing has changed then
     * @throws IllegalStateException if the call may not come now; nothing has changed then
     */
    public StepReport step(float[] params, float[] gradients) {
        return step(params, gradients, Lars::noLoss);
    }

    /** Takes a step with what is known of the gradients; otherwise as {@link #step(float[], float[])}. */
    public StepReport step(float[] params, Gradients gradients) {
        return step(params, gradients, Lars::noLoss);
    }

    /**
     * Takes a step on gradients that are computed now; otherwise as {@link #step(float[], float[])}.
     *
     * @param closure computes the gradients anew, into the array handed in, and returns the loss. Called once, before
     *     anything else; if it throws, nothing has changed
     */
    public StepReport step(float[] params, float[] gradients, DoubleSupplier closure) {
        Objects.requireNonNull(gradients, "gradients");
        Objects.requireNonNull(closure, "closure");
        guard.enter("step", false);
        return take(params, plain.array(gradients), closure, null);
    }

    /**
     * Takes a step on gradients that are computed now, with what is known of them; otherwise as {@link #step(float[],
     * float[], DoubleSupplier)}.
     */
    public StepReport step(float[] params, Gradients gradients, DoubleSupplier closure) {
        Objects.requireNonNull(closure, "closure");
        guard.enter("step", false);
        return take(params, gradients, closure, null);
    }

    /**
     * The first half of a step: takes the sums of every layer and changes nothing. {@link #update} is to follow, or
     * {@link #discard}, or another {@code measure}.
     *
     * @param params weights; only read
     * @param gradients laid out as the weights are; only read
     * @return the sums, live until the next call
     * @throws IllegalArgumentException if an array is too short or passed twice
     * @throws IllegalStateException if the call may not come now
     */
    public LayerSums measure(float[] params, Gradients gradients) {
        guard.enter("measure", true);
        try {
            Arguments.require(params, gradients, state);
            LayerSums sums = step.measure(params, gradients);
            guard.leave(CallGuard.Phase.MEASURED);
            return sums;
        } catch (Throwable t) {
            guard.leave(CallGuard.Phase.IDLE);
            throw t;
        }
    }

    /** As {@link #measure(float[], Gradients)}, with nothing known of the gradients. */
    public LayerSums measure(float[] params, float[] gradients) {
        return measure(params, Gradients.of(gradients));
    }

    /**
     * The second half of a step.
     *
     * @param params weights; read, and written in the layers alone
     * @param gradients what was measured; only read
     * @param sums sums of every layer that has a gradient: those that {@link #measure} returned, with others added to
     *     them perhaps, or the trainer's own
     * @return the report of this step, live until the next
     * @throws IllegalArgumentException if an array is too short or passed twice, the sums are of other layers, or one
     *     that is needed is absent; nothing has changed then
     * @throws NonFiniteException under {@link OnBadGradient#THROW}, if anything is not finite; nothing has changed then
     * @throws IllegalStateException if the call may not come now; nothing has changed then
     */
    public StepReport update(float[] params, Gradients gradients, LayerSums sums) {
        Objects.requireNonNull(sums, "sums");
        CallGuard.Phase before = guard.enter("update", true);
        if (step.owns(sums) && before != CallGuard.Phase.MEASURED) {
            guard.leave(before);
            throw new IllegalStateException(
                    "update was called with the sums of a step that is over; call measure first");
        }
        return take(params, gradients, Lars::noLoss, sums);
    }

    /** As {@link #update(float[], Gradients, LayerSums)}, with nothing known of the gradients but their sums. */
    public StepReport update(float[] params, float[] gradients, LayerSums sums) {
        return update(params, Gradients.of(gradients), sums);
    }

    /** Gives up a {@link #measure} that no {@link #update} is to follow. */
    public void discard() {
        guard.enter("discard", true);
        guard.leave(CallGuard.Phase.IDLE);
    }

    private StepReport take(float[] params, Gradients gradients, DoubleSupplier closure, LayerSums given) {
        boolean stepping = false;
        try {
            double loss = closure.getAsDouble();
            Arguments.require(params, gradients, state);
            if (given != null) {
                Arguments.requireSums(given, gradients, state);
            }
            double rate = rate();
            stepping = true;
            StepReport report = step.take(params, gradients, loss, rate, given);
            guard.leave(CallGuard.Phase.IDLE);
            return report;
        } catch (Throwable t) {
            if (stepping && step.wrote()) {
                guard.broken(t);
            } else {
                guard.leave(CallGuard.Phase.IDLE);
            }
            throw t;
        }
    }

    /** γ of this step. The name for a message is made only where one is thrown, because a step allocates nothing. */
    private double rate() {
        double rate = schedule.rate(state.step);
        return rate >= 0 && rate <= Double.MAX_VALUE ? rate : Checks.atLeastZero("rate of step " + state.step, rate);
    }

    private static double noLoss() {
        return Double.NaN;
    }

    /**
     * Says that the weights were changed by somebody else since the last step (restored, clipped, averaged): carried
     * sums are then measured anew. Needed only where sums are carried; a different array is noticed without it.
     */
    public void weightsChanged() {
        guard.enter("weightsChanged", false);
        step.forgetCarried();
        guard.leave(CallGuard.Phase.IDLE);
    }

    /** Sets the learning rate of all steps from the next. */
    public void learningRate(double rate) {
        learningRate(Schedule.constant(rate));
    }

    /** Sets the schedule of the learning rate from the next step, which it is asked for by its number. */
    public void learningRate(Schedule schedule) {
        Objects.requireNonNull(schedule, "schedule");
        CallGuard.Phase before = guard.enter("learningRate", true);
        this.schedule = schedule;
        guard.leave(before);
    }

    /** Steps taken: the number that the schedule is asked for next. A refused step is none. */
    public long steps() {
        return state.step;
    }

    /** The layers, as they are treated. */
    public Layers layers() {
        return state.layers;
    }

    /** The hyperparameters, the rule among them. */
    public Hyperparameters hyperparameters() {
        return state.hyperparameters;
    }

    /** The state, to go back to; a copy. */
    public Snapshot snapshot() {
        return lend("snapshot", live -> new Snapshot(live.read().copy()));
    }

    /**
     * Goes back to a state: momentum, step number, refusals, which layers have begun, hyperparameters and treatments.
     * The schedule stays, and so do the weights, which are the trainer's to restore. Mends an optimizer whose step
     * broke off. One that breaks off itself, for want of memory, asks for another.
     *
     * @throws IllegalArgumentException if its layers differ from these by number, name or length; nothing has changed
     *     then
     */
    public void restore(Snapshot snapshot) {
        Objects.requireNonNull(snapshot, "snapshot");
        snapshot.layers().requireSameTensors("snapshot", state.layers);
        lendToRestore(live -> {
            live.change().take(snapshot.state());
            return null;
        });
    }

    /** Lends the state to a call that only reads it. */
    <T, E extends Exception> T lend(String call, LiveState.Use<T, E> use) throws E {
        CallGuard.Phase before = guard.enter(call, true);
        LiveState live = new LiveState(state);
        try {
            return use.of(live);
        } finally {
            live.end();
            guard.leave(before);
        }
    }

    /** Lends the state to a call that restores it, and perhaps the weights. */
    <T, E extends Exception> T lendToRestore(LiveState.Use<T, E> use) throws E {
        CallGuard.Phase before = guard.enter("restore", true, true);
        LiveState live = new LiveState(state);
        try {
            T result = use.of(live);
            step.forgetCarried();
            guard.leave(CallGuard.Phase.IDLE);
            return result;
        } catch (Throwable t) {
            if (live.isChanging()) {
                guard.broken(t);
            } else {
                guard.leave(before);
            }
            throw t;
        } finally {
            live.end();
        }
    }

    /** Which kernels a step that begins now runs on, their vector width, and why these. */
    public String kernels() {
        return step.kernels();
    }

    /** Ends the threads of this optimizer; it cannot be used any more. */
    @Override
    public void close() {
        if (guard.close()) {
            step.close();
        }
    }

    /** Kernels, what pass 1 saves by carried sums, and the order of work. */
    @Override
    public String toString() {
        return step.toString();
    }

    /**
     * Builds an optimizer. Every value has a default but the learning rate; all are checked by {@link #build},
     * together.
     */
    public static final class Builder {

        /**
         * A little less than a float[] can hold, so that an index one block beyond the last element is still an int.
         */
        private static final int MOST_ELEMENTS = Integer.MAX_VALUE - Stripes.BLOCK;

        private static final int MOST_THREADS = 1024;

        private final Layers layers;
        private Schedule schedule;
        private Rule rule = Hyperparameters.DEFAULT.rule();
        private double trustCoefficient = Hyperparameters.DEFAULT.trustCoefficient();
        private double weightDecay = Hyperparameters.DEFAULT.weightDecay();
        private double momentum = Hyperparameters.DEFAULT.momentum();
        private double dampening = Hyperparameters.DEFAULT.dampening();
        private boolean nesterov = Hyperparameters.DEFAULT.nesterov();
        private boolean momentumCorrection = Hyperparameters.DEFAULT.momentumCorrection();
        private double maxGradientNorm = Double.POSITIVE_INFINITY;
        private OnBadGradient onBadGradient = OnBadGradient.THROW;
        private boolean carrySums;
        private float[] momentumBuffer;
        private int parallelism = 1;
        private Plan.Grain grain = Plan.Grain.USUAL;

        private Hyperparameters hyperparameters;

        private Builder(Layers layers) {
            this.layers = Objects.requireNonNull(layers, "layers");
        }

        /** γ, the same at every step: finite, 0 or more. */
        public Builder learningRate(double rate) {
            return learningRate(Schedule.constant(rate));
        }

        /** γ, as a function of the step. */
        public Builder learningRate(Schedule schedule) {
            this.schedule = Objects.requireNonNull(schedule, "schedule");
            return this;
        }

        /** Which LARS; the paper's by default. */
        public Builder rule(Rule rule) {
            this.rule = Objects.requireNonNull(rule, "rule");
            return this;
        }

        /** η: finite, more than 0; 0.001 by default. */
        public Builder trustCoefficient(double trustCoefficient) {
            this.trustCoefficient = trustCoefficient;
            return this;
        }

        /** β: finite, 0 or more; 0 by default. */
        public Builder weightDecay(double weightDecay) {
            this.weightDecay = weightDecay;
            return this;
        }

        /** μ: finite, 0 or more; 0, and no buffer, by default. */
        public Builder momentum(double momentum) {
            this.momentum = momentum;
            return this;
        }

        /**
         * δ, what is left out of a gradient on its way into the momentum, but not on a layer's first step: finite; 0 by
         * default. Without momentum it has no effect.
         */
        public Builder dampening(double dampening) {
            this.dampening = dampening;
            return this;
        }

        /** Nesterov's momentum, which needs momentum and no dampening; off by default. */
        public Builder nesterov(boolean nesterov) {
            this.nesterov = nesterov;
            return this;
        }

        /** See {@link Hyperparameters#momentumCorrection}; off by default. */
        public Builder momentumCorrection(boolean momentumCorrection) {
            this.momentumCorrection = momentumCorrection;
            return this;
        }

        /**
         * Scales all gradients down so that their norm over all layers is at most {@code norm}: more than 0; no clip by
         * default. What is scaled is what the rule sees. Costs no pass over memory, but all sums are needed before the
         * first write.
         *
         * <p>The norm is that over this optimizer's own layers. Several optimizers over one array, as parameter groups,
         * each clip by their own, where {@code torch.nn.utils.clip_grad_norm_} clips all parameters by one (plus 1e-6). To do
         * that, take it from {@link Lars#measure} of each: with G the root of the sum of all {@link
         * LayerSums#gradients}, multiply {@link Gradients#scale} by {@code min(1, norm / (scale · G))} before {@link
         * Lars#update}.
         */
        public Builder maxGradientNorm(double norm) {
            this.maxGradientNorm = norm;
            return this;
        }

        /** What to do where something is not finite; throw by default. */
        public Builder onBadGradient(OnBadGradient policy) {
            this.onBadGradient = Objects.requireNonNull(policy, "onBadGradient");
            return this;
        }

        /**
         * Whether pass 2 takes the next step's Σw² while it writes, so that pass 1 need not read the weights; off by
         * default. The same bits, less time, but only where the rule needs no Σw·g. The price is a duty: who changes
         * weights between steps must call {@link Lars#weightsChanged}.
         */
        public Builder carrySums(boolean carry) {
            this.carrySums = carry;
            return this;
        }

        /**
         * Keeps the momentum in the caller's array: laid out as the weights are, written by every step. It is used as
         * it stands, and its layers count as begun. By default the optimizer has an array of its own, all zero.
         */
        public Builder momentumBuffer(float[] buffer) {
            this.momentumBuffer = Objects.requireNonNull(buffer, "momentumBuffer");
            return this;
        }

        /**
         * Threads that share a step, the caller counted in: 1 to 1024; 1 by default. The same bits for every number.
         */
        public Builder parallelism(int threads) {
            this.parallelism = threads;
            return this;
        }

        /** For tests: a fine grain gives a small layout many groups and many shares. */
        Builder grain(Plan.Grain grain) {
            this.grain = grain;
            return this;
        }

        /**
         * Builds the optimizer. What {@link Checkpoint} could not save is refused here: a layer that is called as the
         * momentum of another is in a checkpoint ({@code a.momentum_buffer} beside {@code a}, where there is momentum),
         * a layer called {@code lars4j.checksum} or {@code __metadata__}, a name that is not Unicode, and so many
         * layers that the header of a checkpoint may need more than the 100 MB that its format allows (about 400,000
         * with short names).
         *
         * @throws IllegalArgumentException if a value is out of its range or does not go with another, naming it, or a
         *     checkpoint of the layers could not be written
         * @throws IllegalStateException if no learning rate was given, or the kernels that a property asks for cannot
         *     run
         */
        public Lars build() {
            if (schedule == null) {
                throw new IllegalStateException("learningRate was not given; it has no default");
            }
            hyperparameters = new Hyperparameters(
                    rule, trustCoefficient, weightDecay, momentum, dampening, nesterov, momentumCorrection);
            if (!(maxGradientNorm > 0)) {
                throw new IllegalArgumentException(
                        "maxGradientNorm is " + maxGradientNorm + "; it must be more than 0");
            }
            if (parallelism < 1 || parallelism > MOST_THREADS) {
                throw new IllegalArgumentException(
                        "parallelism is " + parallelism + "; it must be in [1, " + MOST_THREADS + "]");
            }
            if (layers.end() > MOST_ELEMENTS) {
                throw new IllegalArgumentException(
                        "layers end at " + layers.end() + "; they must end at or before " + MOST_ELEMENTS);
            }
            Savable.require(layers, momentum != 0);
            if (momentumBuffer != null) {
                checkMomentumBuffer();
            }
            return new Lars(this);
        }

        private void checkMomentumBuffer() {
            if (momentum == 0) {
                throw new IllegalArgumentException(
                        "momentumBuffer is given with momentum 0; it needs momentum above 0");
            }
            Arguments.requireLength("momentumBuffer", momentumBuffer, layers);
            for (Layer layer : layers) {
                for (int i = (int) layer.offset(); i < layer.end(); i++) {
                    if (!Float.isFinite(momentumBuffer[i])) {
                        throw new IllegalArgumentException("momentumBuffer is " + momentumBuffer[i] + " at " + i
                                + ", in layer \"" + layer.name() + "\"; it must be finite");
                    }
                }
            }
        }
    }
}
