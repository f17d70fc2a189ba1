package io.github.lars4j;

import io.github.lars4j.internal.CallGuard;
import io.github.lars4j.internal.Checks;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.passes.Plan;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.function.DoubleSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

/**
 * The LARS optimizer: SGD with momentum in which a trust ratio scales the learning rate of each layer (You, Gitman and
 * Ginsburg, <i>Large Batch Training of Convolutional Networks</i>, 2017).
 *
 * <pre>{@code
 * Layers layers = Layers.builder()
 *         .addTensor("fc1.weight", 512, 784)
 *         .addTensor("fc1.bias", 512)
 *         .treatOneDimensional(Treatment.PLAIN) // biases: no weight decay, no trust ratio
 *         .build();
 * try (Lars lars = Lars.builder(layers)
 *         .learningRate(Schedule.polynomial(2.0, 2, 10_000).warmup(500))
 *         .momentum(0.9)
 *         .weightDecay(1e-4)
 *         .build()) {
 *     for (Batch batch : batches) {
 *         backward(weights, batch, gradients); // flat arrays of at least layers.end() elements
 *         lars.step(weights, gradients);
 *     }
 * }
 * }</pre>
 *
 * <p>A step makes two passes over the arrays. Pass 1 computes three sums for each layer. The rule turns these sums into
 * the layer's trust ratio and the coefficients of its update. Pass 2 updates weights and momentum. {@link #step} does
 * all of it. {@link #measure} and {@link #update} are its two halves, for trainers that inspect or change the {@link
 * LayerSums} in between.
 *
 * <p>Results are identical to the bit on every machine, with scalar and vector kernels, at every vector width and for
 * every number of threads. Steps after the first allocate no memory, except for some {@linkplain Schedule schedules} and, in
 * some JVMs whose vectors have fewer than 512 bits, for narrow {@linkplain Format formats}.
 *
 * <p>Sums are computed in double precision, updates in single precision. Compared with exact arithmetic on the same
 * inputs and the same trust ratio, the error of a weight is at most 8.01 · 2⁻²⁴ times the sum of the magnitudes of its
 * terms, and the error of a momentum element at most 4.01 · 2⁻²⁴ times that sum, plus a few times {@link
 * Float#MIN_VALUE} each ({@code StepAccuracyTest} derives these bounds). Gradients in a narrow {@link Format} are widened
 * exactly. A momentum in bfloat16 is rounded once more when it is stored, by at most 2⁻⁸ of the element to nearest even, and
 * by less than 2⁻⁷ stochastically, or, below {@link Float#MIN_NORMAL}, by at most 2⁻¹³⁴ and less than 2⁻¹³³; the weights are
 * updated with the momentum before that.
 *
 * <p>An optimizer may be used by several threads, but only by one at a time. The following calls throw an {@link
 * IllegalStateException} and change nothing:
 *
 * <ul>
 *   <li>any call while another call is in progress, on whatever thread,
 *   <li>{@code step}, {@code beginStep}, {@code weightsChanged}, {@code change}, {@code addGroup} and {@code addLayers}
 *       after {@code measure}, until {@code update} or {@code discard} is called,
 *   <li>any call except {@code applyLayer}, {@code restore} and {@code close} between {@code beginStep} and {@code
 *       endStep},
 *   <li>any call except {@code restore} and {@code close} after a step or a restore has failed halfway,
 *   <li>any call except {@code close} after {@code close}.
 * </ul>
 *
 * <p>The methods that only return a setting or a description ({@link #layers}, {@link #hyperparameters}, {@link
 * #groups}, {@link #steps}, {@link #kernels}, {@link #toString}) are always allowed, but must not run at the same time as
 * a call that changes the optimizer.
 */
public final class Lars implements AutoCloseable {

    private static final float[] NO_ARRAY = {};

    private final CallGuard guard = new CallGuard();
    private final HeldStep held = new HeldStep();
    /** Stand for the weights and gradients that are passed as arrays. */
    private final Tensors plainParams = Tensors.flat(NO_ARRAY);

    private final Tensors plainArray = Tensors.flat(NO_ARRAY);
    /** Stands for gradients about which nothing is known. */
    private final Gradients plainGradients = Gradients.of(NO_ARRAY);
    /** Whether the momentum buffer is the caller's. */
    private final boolean givenBuffer;

    private final int threads;

    /** The weights of a step that goes layer by layer, their copies or {@code null}, and the layers that have come so far. */
    private Tensors openParams;

    private Tensors openHalfWeights;

    private final BitSet applied = new BitSet();

    private State state;
    private Step step;
    private Schedule schedule;

    private Lars(Builder builder, Setup setup) {
        this.schedule = builder.schedule;
        this.givenBuffer = builder.momentumBuffer != null;
        this.threads = builder.parallelism;
        this.state =
                new State(setup, givenBuffer ? Momentum.of(builder.momentumBuffer) : null, builder.momentumStorage());
        state.momentum = state.momentumFor(setup);
        for (int i = 0; i < state.begun.length; i++) {
            state.begun[i] = givenBuffer && state.hasMomentum(i);
        }
        Decision decision = new Decision(state, builder.onBadGradient, builder.maxGradientNorm);
        KernelWish wish = builder.simd == null ? KernelWish.ofProperty() : builder.simd.wish();
        this.step = new Step(state, decision, builder.carrySums, wish, builder.parallelism, builder.grain);
    }

    /** Returns a builder of an optimizer for these layers. */
    public static Builder builder(Layers layers) {
        return new Builder(layers);
    }

    /**
     * Takes a step.
     *
     * <p>If it throws one of the exceptions listed here, nothing has changed.
     *
     * @param params the weights, at least {@link Layers#end} elements. Elements outside the layers are not touched
     * @param gradients the gradients, in the layout of the weights; only read
     * @return the report of this step; the next step overwrites it
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if an array is too short, if two of the arrays are the same, or if a schedule
     *     returns a number out of range
     * @throws NonFiniteException if a weight, gradient or coefficient is not finite and the policy is {@link
     *     OnBadGradient#THROW}
     * @throws IllegalStateException if another call is in progress, a measured step is not finished, the optimizer is
     *     closed, or a step or restore has failed halfway
     */
    public StepReport step(float[] params, float[] gradients) {
        return step(params, gradients, Lars::noLoss);
    }

    /** Takes a step with gradients and what is known about them; otherwise as {@link #step(float[], float[])}. */
    public StepReport step(float[] params, Gradients gradients) {
        return step(params, gradients, Lars::noLoss);
    }

    /**
     * Takes a step with tensors wherever they lie; otherwise as {@link #step(float[], float[])}.
     *
     * @param params the weights
     * @param gradients the gradients; only read
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if tensors do not fit the layers, if two of them share memory, if weights or
     *     momentum are read-only, or if a segment is confined to another thread or, with {@linkplain Builder#parallelism
     *     parallelism} above 1, to any; otherwise as {@link #step(float[], float[])}
     * @throws IllegalStateException if the arena of a segment is closed; otherwise as {@link #step(float[], float[])}
     */
    public StepReport step(Tensors params, Tensors gradients) {
        return step(params, gradients, Lars::noLoss);
    }

    /** Takes a step with gradients and what is known about them; otherwise as {@link #step(Tensors, Tensors)}. */
    public StepReport step(Tensors params, Gradients gradients) {
        return step(params, gradients, Lars::noLoss);
    }

    /**
     * Takes a step and also writes a bfloat16 copy of the weights, which the next forward pass reads in mixed-precision
     * training; otherwise as {@link #step(Tensors, Gradients)}. The copy is written in pass 2, while the weights are in
     * cache.
     *
     * <p>After the step, the copy of every layer holds its weights rounded to nearest even, whether or not the step has
     * updated the layer. A weight beyond the range becomes infinity there, which no outcome reports. Nothing else writes the
     * copies: fill them before the first forward pass and after a restore. If the step is refused as a whole or throws an
     * exception listed here, nothing is written.
     *
     * @param halfWeights where the copies go, tensors in {@link Format#BFLOAT16}; only written
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if {@code halfWeights} is not in that format, or for the reasons that hold for
     *     {@code params}; otherwise as {@link #step(Tensors, Tensors)}
     * @throws IllegalStateException as {@link #step(Tensors, Tensors)}
     */
    public StepReport step(Tensors params, Gradients gradients, Tensors halfWeights) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        Objects.requireNonNull(halfWeights, "halfWeights");
        guard.enter("step", false);
        return take(params, gradients, halfWeights, Lars::noLoss, null);
    }

    /** As {@link #step(Tensors, Gradients, Tensors)}, for gradients about which nothing is known. */
    public StepReport step(Tensors params, Tensors gradients, Tensors halfWeights) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        Objects.requireNonNull(halfWeights, "halfWeights");
        guard.enter("step", false);
        return take(params, plainGradients.tensors(gradients), halfWeights, Lars::noLoss, null);
    }

    /**
     * Computes the gradients and takes a step; otherwise as {@link #step(float[], float[])}.
     *
     * @param closure computes the gradients, stores them in {@code gradients} and returns the loss, which the report
     *     contains. It is called once, before the step; if it throws, the step does not take place
     */
    public StepReport step(float[] params, float[] gradients, DoubleSupplier closure) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        Objects.requireNonNull(closure, "closure");
        guard.enter("step", false);
        return take(plainParams.setArray(params), plain(gradients), null, closure, null);
    }

    /**
     * Computes the gradients and takes a step with what is known about them; otherwise as {@link #step(float[],
     * float[], DoubleSupplier)}.
     */
    public StepReport step(float[] params, Gradients gradients, DoubleSupplier closure) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        Objects.requireNonNull(closure, "closure");
        guard.enter("step", false);
        return take(plainParams.setArray(params), gradients, null, closure, null);
    }

    /**
     * Computes the gradients and takes a step; otherwise as {@link #step(float[], float[], DoubleSupplier)} and {@link
     * #step(Tensors, Tensors)}.
     */
    public StepReport step(Tensors params, Tensors gradients, DoubleSupplier closure) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        Objects.requireNonNull(closure, "closure");
        guard.enter("step", false);
        return take(params, plainGradients.tensors(gradients), null, closure, null);
    }

    /**
     * Computes the gradients and takes a step with tensors wherever they lie; otherwise as {@link #step(float[],
     * float[], DoubleSupplier)} and {@link #step(Tensors, Tensors)}.
     */
    public StepReport step(Tensors params, Gradients gradients, DoubleSupplier closure) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        Objects.requireNonNull(closure, "closure");
        guard.enter("step", false);
        return take(params, gradients, null, closure, null);
    }

    /**
     * Computes the sums of every layer that has a gradient, the first half of a step: Σw² and Σg², and Σw·g if the layer's
     * rule may need it (see {@link LayerSums#products}). This changes neither weights nor momentum. Call {@link #update}
     * next; or {@link #discard}, to give up the step; or {@code measure} again.
     *
     * @param params the weights, at least {@link Layers#end} elements; only read
     * @param gradients the gradients, in the layout of the weights; only read
     * @return the sums; the next step or {@code measure} overwrites them
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if an array is too short, if two of the arrays are the same, or if a schedule of
     *     weight decay, momentum or trust coefficient returns a number out of range
     * @throws IllegalStateException if another call is in progress, the optimizer is closed, or a step or restore has
     *     failed halfway
     */
    public LayerSums measure(float[] params, Gradients gradients) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        guard.enter("measure", true);
        return measureNow(plainParams.setArray(params), gradients);
    }

    /** As {@link #measure(float[], Gradients)}, for a gradient array about which nothing is known. */
    public LayerSums measure(float[] params, float[] gradients) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        guard.enter("measure", true);
        return measureNow(plainParams.setArray(params), plain(gradients));
    }

    /**
     * As {@link #measure(float[], Gradients)}, with tensors wherever they lie; see {@link #step(Tensors, Tensors)}. The
     * weights must be writable already here, because {@code update} writes them.
     */
    public LayerSums measure(Tensors params, Gradients gradients) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        guard.enter("measure", true);
        return measureNow(params, gradients);
    }

    /** As {@link #measure(Tensors, Gradients)}, for gradients about which nothing is known. */
    public LayerSums measure(Tensors params, Tensors gradients) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        guard.enter("measure", true);
        return measureNow(params, plainGradients.tensors(gradients));
    }

    private LayerSums measureNow(Tensors params, Gradients gradients) {
        try {
            Arguments.require(params, gradients, null, state, threads);
            LayerSums sums = held.measure(step, state.momentum, params, gradients);
            forgetPlain();
            guard.leave(CallGuard.Phase.MEASURED);
            return sums;
        } catch (Throwable t) {
            forgetPlain();
            guard.leave(CallGuard.Phase.IDLE);
            throw t;
        }
    }

    /**
     * Computes the sums of every block of the layers, of a {@link Shard} or of the whole network: what the other machines
     * need of this one. This changes neither weights nor momentum, and gives up what {@link #measure} has measured. Call
     * {@link #update} next, with the sums that {@link ShardSums#fold} makes of those of all shards. Squares, scale and trust
     * ratios that the gradients have been given are not used here.
     *
     * @param params the weights, at least {@link Layers#end} elements, writable because {@code update} writes them; only
     *     read
     * @param gradients the gradients, in the layout of the weights; only read
     * @return the sums of all blocks, in the order of the layers; NaN for layers whose gradient is missing
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException as {@link #measure(Tensors, Gradients)}
     * @throws IllegalStateException as {@link #measure(Tensors, Gradients)}
     */
    public ShardSums measureBlocks(Tensors params, Gradients gradients) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        guard.enter("measureBlocks", true);
        try {
            Arguments.require(params, gradients, null, state, threads);
            return held.measureBlocks(step, state.momentum, params, gradients);
        } finally {
            guard.leave(CallGuard.Phase.IDLE);
        }
    }

    /**
     * Updates weights and momentum, the second half of a step. If it throws one of the exceptions listed here, nothing
     * has changed, except that the sums of {@link #measure} are discarded: call {@code measure} again.
     *
     * @param params the weights, at least {@link Layers#end} elements. Elements outside the layers are not touched
     * @param gradients the gradients that were measured; only read
     * @param sums the sums of every layer that has a gradient: those that {@link #measure} returned, possibly with
     *     other sums added, or sums that the trainer computed itself
     * @return the report of this step; the next step overwrites it
     * @throws NullPointerException if an argument is {@code null}
     * @throws IllegalArgumentException if an array is too short, if two of the arrays are the same, if the layers of
     *     {@code sums} differ from the optimizer's, if a sum that the rule needs is absent, or if a schedule returns a
     *     number out of range
     * @throws NonFiniteException if a weight, gradient or coefficient is not finite and the policy is {@link
     *     OnBadGradient#THROW}
     * @throws IllegalStateException if {@code sums} was returned by an earlier {@code measure} and there has been an
     *     update or a discard since; or if another call is in progress, the optimizer is closed, or a step or restore
     *     has failed halfway
     */
    public StepReport update(float[] params, Gradients gradients, LayerSums sums) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        enterUpdate(sums);
        return take(plainParams.setArray(params), gradients, null, Lars::noLoss, sums);
    }

    /** As {@link #update(float[], Gradients, LayerSums)}, for a gradient array about which only the sums are known. */
    public StepReport update(float[] params, float[] gradients, LayerSums sums) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        enterUpdate(sums);
        return take(plainParams.setArray(params), plain(gradients), null, Lars::noLoss, sums);
    }

    /**
     * As {@link #update(float[], Gradients, LayerSums)}, with tensors wherever they lie; see {@link #step(Tensors,
     * Tensors)}.
     */
    public StepReport update(Tensors params, Gradients gradients, LayerSums sums) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        enterUpdate(sums);
        return take(params, gradients, null, Lars::noLoss, sums);
    }

    /** As {@link #update(Tensors, Gradients, LayerSums)}, for gradients about which only the sums are known. */
    public StepReport update(Tensors params, Tensors gradients, LayerSums sums) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        enterUpdate(sums);
        return take(params, plainGradients.tensors(gradients), null, Lars::noLoss, sums);
    }

    /**
     * Updates weights and momentum and also writes a bfloat16 copy of the weights; otherwise as {@link #update(Tensors,
     * Gradients, LayerSums)}.
     *
     * @param halfWeights where the copies go; as for {@link #step(Tensors, Gradients, Tensors)}
     */
    public StepReport update(Tensors params, Gradients gradients, LayerSums sums, Tensors halfWeights) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        Objects.requireNonNull(halfWeights, "halfWeights");
        enterUpdate(sums);
        return take(params, gradients, halfWeights, Lars::noLoss, sums);
    }

    private void enterUpdate(LayerSums sums) {
        Objects.requireNonNull(sums, "sums");
        CallGuard.Phase before = guard.enter("update", true);
        if (step.owns(sums) && before != CallGuard.Phase.MEASURED) {
            guard.leave(before);
            throw new IllegalStateException("update was called with the sums of an earlier step; call measure first");
        }
    }

    private Gradients plain(float[] gradients) {
        return plainGradients.tensors(plainArray.setArray(gradients));
    }

    /** Forgets the arrays and tensors that were passed, so that they are not kept alive. */
    private void forgetPlain() {
        plainParams.setArray(NO_ARRAY);
        plainGradients.tensors(plainArray.setArray(NO_ARRAY));
    }

    /** Discards the sums of the last {@link #measure}. Call it when no {@link #update} will follow. */
    public void discard() {
        guard.enter("discard", true);
        guard.leave(CallGuard.Phase.IDLE);
    }

    private StepReport take(
            Tensors params, Gradients gradients, Tensors halfWeights, DoubleSupplier closure, LayerSums given) {
        boolean stepping = false;
        try {
            double loss = closure.getAsDouble();
            Arguments.require(params, gradients, halfWeights, state, threads);
            state.setup.setStep(state.step);
            if (given != null) {
                Arguments.requireSums(given, gradients, state);
            }
            double rate = Profile.rate(schedule, state.step);
            state.setup.setLearningRates(state.step, rate);
            stepping = true;
            StepReport report = held.take(step, state.momentum, params, gradients, halfWeights, loss, rate, given);
            forgetPlain();
            guard.leave(CallGuard.Phase.IDLE);
            return report;
        } catch (Throwable t) {
            forgetPlain();
            if (stepping && held.entered() && step.wrote()) {
                guard.broken(t);
            } else {
                guard.leave(CallGuard.Phase.IDLE);
            }
            throw t;
        }
    }

    /** As {@link #beginStep(Tensors, double)}, with the weights in one array and a scale of 1. */
    public void beginStep(float[] params) {
        Objects.requireNonNull(params, "params");
        guard.enter("beginStep", false);
        beginNow(plainParams.setArray(params), 1, null);
    }

    /** As {@link #beginStep(Tensors, double)}, with a scale of 1. */
    public void beginStep(Tensors params) {
        beginStep(params, 1);
    }

    /**
     * Begins a step that takes one layer after the other, each as soon as backpropagation has computed its gradient. It
     * needs memory for the largest gradient only, and finds it in cache. PyTorch users know this as the optimizer in the
     * backward pass, by {@code register_post_accumulate_grad_hook}.
     *
     * <pre>{@code
     * lars.beginStep(weights);
     * for (int layer = layers.size() - 1; layer >= 0; layer--) {
     *     backward(layer, buffer);           // one buffer for all layers
     *     lars.applyLayer(layer, buffer);    // writes the layer's weights
     * }
     * StepReport report = lars.endStep();
     * }</pre>
     *
     * <p>Apply a layer only when backpropagation no longer needs its weights: the gradient of the layer's input is computed
     * from the old ones. A layer that is not applied had no gradient in this step.
     *
     * <p>The bits are those of {@link #step}. Such a step cannot be refused or clipped as a whole: it needs {@link
     * OnBadGradient#SKIP_LAYER}, no maximum norm of the gradient, and a built-in rule. Until {@link #endStep}, only {@link
     * #applyLayer}, {@code restore} and {@link #close} are allowed.
     *
     * @param params the weights
     * @param gradientScale the factor of all gradients, as {@link Gradients#scale}; finite, more than 0
     * @throws NullPointerException if {@code params} is {@code null}
     * @throws IllegalArgumentException if {@code gradientScale} is out of its range; otherwise as {@link #step(Tensors,
     *     Tensors)}
     * @throws IllegalStateException if the optimizer needs the gradients of several layers before it writes the first one
     *     (the message says why); otherwise as {@link #step(Tensors, Tensors)}
     */
    public void beginStep(Tensors params, double gradientScale) {
        Objects.requireNonNull(params, "params");
        Checks.positive("gradientScale", gradientScale);
        guard.enter("beginStep", false);
        beginNow(params, gradientScale, null);
    }

    /**
     * Begins a step that takes one layer after the other and also writes a bfloat16 copy of the weights; otherwise as {@link
     * #beginStep(Tensors, double)}. {@link #applyLayer} writes the copy of its layer, whether or not it updates the layer,
     * and {@link #endStep} those of the layers that were not applied. After the step, the copy of every layer thus holds its
     * weights rounded to nearest even. Weights and copies must be open until then.
     *
     * @param halfWeights where the copies go; as for {@link #step(Tensors, Gradients, Tensors)}
     * @throws NullPointerException if {@code params} or {@code halfWeights} is {@code null}
     * @throws IllegalArgumentException as {@link #beginStep(Tensors, double)} and {@link #step(Tensors, Gradients, Tensors)}
     */
    public void beginStep(Tensors params, double gradientScale, Tensors halfWeights) {
        Objects.requireNonNull(params, "params");
        Checks.positive("gradientScale", gradientScale);
        Objects.requireNonNull(halfWeights, "halfWeights");
        guard.enter("beginStep", false);
        beginNow(params, gradientScale, halfWeights);
    }

    private void beginNow(Tensors params, double gradientScale, Tensors halfWeights) {
        try {
            step.requireLayerByLayer();
            Arguments.requireOpenStep(params, halfWeights, state, threads);
            state.setup.setStep(state.step);
            double rate = Profile.rate(schedule, state.step);
            state.setup.setLearningRates(state.step, rate);
            step.begin(params, gradientScale, halfWeights, rate);
            openParams = params;
            openHalfWeights = halfWeights;
            applied.clear();
            guard.leave(CallGuard.Phase.OPEN);
        } catch (Throwable t) {
            forgetPlain();
            guard.leave(CallGuard.Phase.IDLE);
            throw t;
        }
    }

    /**
     * Measures and updates one layer of a step that {@link #beginStep} has begun. Layers may come in any order; one that
     * does not come until {@link #endStep} has no gradient in this step.
     *
     * @param layer the index of the layer
     * @param gradient the gradient: its first elements, as many as the layer has; only read, and not needed any more
     *     when this returns
     * @return what was done with the layer
     * @throws NullPointerException if {@code gradient} is {@code null}
     * @throws IndexOutOfBoundsException if there is no such layer
     * @throws IllegalArgumentException if {@code gradient} is too short or is an array of weights, of their copies, or of
     *     momentum; or if the layer has come before in this step. Nothing has changed then, and the step can go on
     * @throws IllegalStateException if no step has begun, or as {@link #step(Tensors, Tensors)}
     */
    public Outcome applyLayer(int layer, float[] gradient) {
        Objects.requireNonNull(gradient, "gradient");
        guard.enterOpen("applyLayer");
        return applyNow(layer, gradient, Format.FLOAT32);
    }

    /**
     * As {@link #applyLayer(int, float[])}, with a gradient in a narrow format.
     *
     * @param format {@link Format#BFLOAT16} or {@link Format#FLOAT16}
     * @throws NullPointerException if {@code format} or {@code gradient} is {@code null}
     * @throws IllegalArgumentException if {@code format} is {@link Format#FLOAT32}; otherwise as {@link #applyLayer(int,
     *     float[])}
     */
    public Outcome applyLayer(int layer, Format format, short[] gradient) {
        Tensors.requireNarrow(format);
        Objects.requireNonNull(gradient, "gradient");
        guard.enterOpen("applyLayer");
        return applyNow(layer, gradient, format);
    }

    /**
     * As {@link #applyLayer(int, float[])}, with a gradient outside the heap.
     *
     * @param gradient the gradient: its first elements, as many as the layer has
     * @throws IllegalArgumentException if {@code gradient} is on the heap, is not aligned to 4 bytes, overlaps weights,
     *     their copies or momentum, or is confined to another thread or, with parallelism above 1, to any; otherwise as {@link
     *     #applyLayer(int, float[])}
     * @throws IllegalStateException if its arena is closed; otherwise as {@link #applyLayer(int, float[])}
     */
    public Outcome applyLayer(int layer, MemorySegment gradient) {
        return applyLayer(layer, Format.FLOAT32, gradient);
    }

    /**
     * As {@link #applyLayer(int, MemorySegment)}, with a gradient in any format.
     *
     * @throws NullPointerException if {@code format} or {@code gradient} is {@code null}
     * @throws IllegalArgumentException if {@code gradient} is not aligned to the size of an element; otherwise as {@link
     *     #applyLayer(int, MemorySegment)}
     */
    public Outcome applyLayer(int layer, Format format, MemorySegment gradient) {
        Objects.requireNonNull(format, "format");
        Objects.requireNonNull(gradient, "gradient");
        guard.enterOpen("applyLayer");
        return applyNow(layer, gradient, format);
    }

    private Outcome applyNow(int layer, Object gradient, Format format) {
        boolean stepping = false;
        try {
            state.layers().checked("layer", layer);
            if (applied.get(layer)) {
                throw new IllegalArgumentException("layer is " + layer + ", \""
                        + state.layers().get(layer).name()
                        + "\", which was applied before in this step; each layer may come once");
            }
            Arguments.requireGradient(gradient, format, layer, openParams, openHalfWeights, state, threads);
            stepping = true;
            Outcome outcome =
                    held.takeLayer(step, state.momentum, openParams, openHalfWeights, layer, gradient, format);
            applied.set(layer);
            guard.leave(CallGuard.Phase.OPEN);
            return outcome;
        } catch (Throwable t) {
            if (stepping && held.entered() && step.wrote()) {
                guard.broken(t);
            } else {
                guard.leave(CallGuard.Phase.OPEN);
            }
            throw t;
        }
    }

    /**
     * Ends a step that {@link #beginStep} has begun.
     *
     * @return the report of this step; the next step overwrites it
     * @throws IllegalStateException if no step has begun, another call is in progress, the optimizer is closed, or a step
     *     or restore has failed halfway; or if the arena of the momentum or, with copies of the weights to write, that of
     *     the weights or copies is closed. The step is still open in these two cases
     */
    public StepReport endStep() {
        guard.enterOpen("endStep");
        boolean ending = false;
        try {
            Arguments.requireBuffer(state, threads);
            if (openHalfWeights != null) {
                Arguments.requireStillOpen(openParams, openHalfWeights, state, threads);
                held.copyOthers(step, openParams, openHalfWeights, applied);
            }
            ending = true;
            StepReport report = step.endLayers();
            guard.leave(CallGuard.Phase.IDLE);
            forgetOpen();
            return report;
        } catch (Throwable t) {
            if (ending) {
                guard.broken(t);
            } else {
                guard.leave(CallGuard.Phase.OPEN);
            }
            throw t;
        }
    }

    /** Forgets the tensors of a step that went layer by layer. */
    private void forgetOpen() {
        openParams = null;
        openHalfWeights = null;
        forgetPlain();
        step.forgetOperands();
    }

    private static double noLoss() {
        return Double.NaN;
    }

    /**
     * Tells the optimizer that the trainer has changed the weights since the last step, for example by restoring,
     * clipping or averaging them. The next step then reads the weights again instead of using carried sums. This call
     * is needed only with {@link Builder#carrySums}, and not if a different array is passed to the next step.
     */
    public void weightsChanged() {
        guard.enter("weightsChanged", false);
        step.forgetCarried();
        guard.leave(CallGuard.Phase.IDLE);
    }

    /**
     * Sets the learning rate of the next and all later steps.
     *
     * @param rate γ: finite, 0 or more
     * @throws IllegalArgumentException if {@code rate} is negative or not finite
     */
    public void learningRate(double rate) {
        learningRate(Schedule.constant(rate));
    }

    /**
     * Sets the schedule of the learning rate, from the next step on. Step numbers continue: the next call passes {@link
     * #steps} to the schedule. Groups with a learning rate of their own keep it.
     */
    public void learningRate(Schedule schedule) {
        Objects.requireNonNull(schedule, "schedule");
        CallGuard.Phase before = guard.enter("learningRate", true);
        this.schedule = schedule;
        guard.leave(before);
    }

    /**
     * Changes hyperparameters of the optimizer, from the next step on, as {@code param_group["weight_decay"] = 0} does
     * in PyTorch. Groups that give a value of their own keep it.
     *
     * <pre>{@code
     * lars.change(s -> s.weightDecay(5e-5).momentum(0.95));
     * }</pre>
     *
     * <p>If the momentum of a layer goes from 0 to more than 0, its buffer is allocated by this call, and the layer's
     * next step counts as its first. If it goes to 0, the momentum gathered so far is lost. {@linkplain
     * Hyperparameters#momentumCorrection Momentum correction} takes a change of the learning rate or of the trust
     * coefficient into account. A change of the rule does not convert the momentum; see {@link Snapshot#convertedTo}.
     *
     * <p>A call checks all layers and allocates memory. For a value that changes in every step, use a schedule.
     *
     * @param change returns the settings that it is given, with the new values
     * @throws NullPointerException if {@code change} or its result is {@code null}
     * @throws IllegalArgumentException if a value is out of its range or contradicts another, or is one that only groups
     *     have; nothing has changed then
     * @throws IllegalStateException if another call is in progress, a measured step is not finished, the optimizer is
     *     closed, or a step or restore has failed halfway
     */
    public void change(UnaryOperator<Settings> change) {
        Settings changes = checked(change);
        changes.requireForOptimizer();
        Settings others = changes.withoutLearningRate();
        change("change", changes.learningRate(), () -> state.setup.withSettings(state.setup.settings.with(others)));
    }

    /**
     * Changes hyperparameters of a group, from the next step on; otherwise as {@link #change(UnaryOperator)}. Values that
     * are not given stay as they are. A value that the group did not give before overrides that of earlier groups in the
     * layers that both have.
     *
     * @param group the name of the group
     * @throws IllegalArgumentException if there is no such group; otherwise as {@link #change(UnaryOperator)}
     */
    public void change(String group, UnaryOperator<Settings> change) {
        Objects.requireNonNull(group, "group");
        Settings changes = checked(change);
        change("change", null, () -> {
            int index = state.setup.group(group);
            return state.setup.withSettings(
                    index, state.setup.groups.get(index).settings().with(changes));
        });
    }

    /**
     * Adds a group of layers, from the next step on; otherwise as {@link Builder#group(String, Pattern,
     * UnaryOperator)}. Its schedules count the steps of the optimizer: {@code Schedule.constant(0).then(lars.steps(),
     * schedule)} begins with the group. A program that resumes from a later checkpoint must have the group, too.
     *
     * @throws IllegalStateException as {@link #change(UnaryOperator)}
     */
    public void addGroup(String name, Pattern pattern, UnaryOperator<Settings> settings) {
        Objects.requireNonNull(pattern, "pattern");
        addGroup(name, layer -> pattern.matcher(layer.name()).find(), settings);
    }

    /**
     * Adds a group of layers; otherwise as {@link #addGroup(String, Pattern, UnaryOperator)}.
     *
     * @param layers whether a layer is in the group
     */
    public void addGroup(String name, Predicate<Layer> layers, UnaryOperator<Settings> settings) {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(layers, "layers");
        Settings checked = checked(settings);
        change("addGroup", null, () -> state.setup.withGroup(Group.of(name, layers, checked, state.layers())));
    }

    private static Settings checked(UnaryOperator<Settings> change) {
        Objects.requireNonNull(change, "change");
        Settings settings = Objects.requireNonNull(change.apply(Settings.NONE), "the result of change");
        settings.requireRanges();
        return settings;
    }

    private void change(String call, Schedule rate, Supplier<Setup> changed) {
        guard.enter(call, false);
        boolean changing = false;
        try {
            Arguments.requireBuffer(state, threads);
            Setup setup = changed.get();
            setup.requireKnownRatios();
            Savable.require(setup);
            Momentum momentum = state.momentumFor(setup);
            changing = true;
            state.change(setup, momentum);
            if (rate != null) {
                schedule = rate;
            }
            refit();
            guard.leave(CallGuard.Phase.IDLE);
        } catch (Throwable t) {
            if (changing) {
                guard.broken(t);
            } else {
                guard.leave(CallGuard.Phase.IDLE);
            }
            throw t;
        }
    }

    /**
     * Adds layers, as PyTorch's {@code add_param_group} does. The present layers keep their momentum and all else that
     * the optimizer knows of them; the first step of each new one is its first, and in a {@linkplain
     * Builder#momentumBuffer caller's momentum buffer} its part becomes 0. New layers belong to the groups whose patterns
     * or predicates match them; {@link #addGroup} can add a group for them afterwards.
     *
     * <p>The arrays of a step must then reach to the end of the new layers, and snapshots and {@link LayerSums} made before
     * no longer fit. Every call plans the work of a step anew, so add layers together.
     *
     * @param all the present layers, in the same order and at the same offsets, followed by the new ones; for example
     *     from the same {@link Layers.Builder}, which can be used further. The treatments of the present layers may
     *     differ and replace those before
     * @throws NullPointerException if {@code all} is {@code null}
     * @throws IllegalArgumentException if the present layers are not the first of {@code all}, if the layers end too
     *     late or a checkpoint of them could not be written (see {@link Builder#build}), or if the {@linkplain
     *     Builder#momentumBuffer caller's momentum buffer} is too short; nothing has changed then
     * @throws IllegalStateException as {@link #change(UnaryOperator)}
     */
    public void addLayers(Layers all) {
        Objects.requireNonNull(all, "all");
        guard.enter("addLayers", false);
        try {
            all.requireBeginWith("all", state.layers());
            requireFits(all);
            Setup setup = state.setup.withLayers(all);
            Savable.require(setup);
            State extended = state.withLayers(setup, bufferFor(setup));
            Step stepped = step.of(extended);
            step.close();
            if (state.momentum != null && state.momentum != extended.momentum) {
                state.momentum.close();
            }
            state = extended;
            step = stepped;
        } finally {
            guard.leave(CallGuard.Phase.IDLE);
        }
    }

    /** Returns the present momentum buffer, or a larger copy for more layers; {@code null} if none is needed. */
    private Momentum bufferFor(Setup more) {
        Momentum buffer = state.momentumFor(more);
        if (givenBuffer) {
            buffer.tensors.require("momentumBuffer", more.layers, true, threads);
        }
        if (buffer == null || buffer.fits(more.layers)) {
            return buffer;
        }
        Momentum larger = buffer.zeros(more.layers);
        for (int i = 0; i < state.layers().size(); i++) {
            larger.copyLayer(i, more.layers, buffer, state.layers());
        }
        return larger;
    }

    /** Plans the work of a step anew if the setup has changed so much that the present plan does not fit it. */
    private void refit() {
        if (!step.fits()) {
            Step stepped = step.of(state);
            step.close();
            step = stepped;
        }
    }

    private static void requireFits(Layers layers) {
        if (layers.elements() > Plan.MOST_ELEMENTS) {
            throw new IllegalArgumentException("layers have " + layers.elements() + " elements; they must have at most "
                    + Plan.MOST_ELEMENTS + " together");
        }
    }

    /**
     * Returns the number of steps taken, which is the step number passed to the schedule next. Refused steps do not
     * count.
     */
    public long steps() {
        return state.step;
    }

    /**
     * Returns the number of steps refused under {@link OnBadGradient#REFUSE}. Added to {@link #steps}, it is the number of
     * batches that were tried. Saved and restored with the steps.
     */
    public long refusals() {
        return state.refusals;
    }

    /** Returns the layers with their current treatments. */
    public Layers layers() {
        return state.layers();
    }

    /**
     * Returns the optimizer's own hyperparameters, including the rule, with the values of the next step. The settings of
     * groups are not among them. If a schedule gives the next step a momentum of 0, Nesterov momentum is off.
     *
     * @throws IllegalArgumentException if a schedule returns a number out of range for the next step
     */
    public Hyperparameters hyperparameters() {
        return state.hyperparameters();
    }

    /**
     * Returns the hyperparameters of a layer with the values of the next step, its groups and its treatment taken into
     * account: the weight decay is 0 if the treatment excludes it.
     *
     * @param layer the index of the layer
     * @throws IndexOutOfBoundsException if there is no such layer
     * @throws IllegalArgumentException if a schedule returns a number out of range for the next step
     */
    public Hyperparameters hyperparameters(int layer) {
        return state.setup.profileOf(state.layers().checked("layer", layer)).hyperparameters(state.step);
    }

    /** Returns the groups, in the order in which they were added, with their current settings. */
    public List<Group> groups() {
        return state.setup.groups;
    }

    /** Returns a copy of the state, for {@link #restore}. */
    public Snapshot snapshot() {
        return lend("snapshot", live -> new Snapshot(live.read().copy()));
    }

    /**
     * Restores a state: momentum, number of steps and of refused steps, which layers have taken a step, hyperparameters,
     * groups and treatments. Groups are found by name; those that the snapshot does not have stay as they are. Schedules
     * and maximum norms are kept. The weights are not part of a snapshot; the trainer restores them. The optimizer keeps the
     * format of its momentum: a float32 momentum of the snapshot is rounded to nearest even if it has bfloat16. If both round
     * stochastically, it takes the seed of the snapshot.
     *
     * <p>This is allowed after a step or restore has failed halfway, and makes the optimizer usable again. If the
     * restore itself fails halfway, for lack of memory, the optimizer must be restored again.
     *
     * @throws NullPointerException if {@code snapshot} is {@code null}
     * @throws IllegalArgumentException if its layers differ from the optimizer's in number, name or length; if it has a
     *     group that the optimizer does not have; if its hyperparameters or its momentum contradict those of a group
     *     or a schedule that is kept; or if an element of its momentum would become infinite in bfloat16. Nothing has
     *     changed then
     * @throws IllegalStateException if another call is in progress, or the optimizer is closed
     */
    public void restore(Snapshot snapshot) {
        Objects.requireNonNull(snapshot, "snapshot");
        snapshot.layers().requireSameTensors("snapshot", state.layers());
        lendToRestore(live -> {
            State saved = snapshot.state();
            State before = live.read();
            Setup restored = before.setup.restoredFrom(saved.setup, before.identity());
            Momentum momentum = before.momentumFor(restored);
            if (saved.hasMomentum() && momentum != null) {
                saved.momentum.requireRoundable(saved.layers(), before.storage.format());
            }
            live.change().take(saved, restored, momentum);
            return null;
        });
    }

    /** Lends the state to a call that only reads it. */
    <T, E extends Exception> T lend(String call, LiveState.Use<T, E> use) throws E {
        CallGuard.Phase before = guard.enter(call, true);
        LiveState live = new LiveState(state);
        try {
            Arguments.requireBuffer(state, threads);
            return use.of(live);
        } finally {
            live.end();
            guard.leave(before);
        }
    }

    /** Lends the state to a call that restores it, and in some cases the weights. */
    <T, E extends Exception> T lendToRestore(LiveState.Use<T, E> use) throws E {
        CallGuard.Phase before = guard.enter("restore", true, true);
        LiveState live = new LiveState(state);
        try {
            Arguments.requireBuffer(state, threads);
            T result = use.of(live);
            step.forgetCarried();
            refit();
            forgetOpen();
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

    /**
     * Describes the kernels that the next step will use: scalar or vector, the vector width, and the reason. The first line
     * is about float32 arrays; there is one more for each other kind of memory and formats that a step has used.
     */
    public String kernels() {
        return step.kernels();
    }

    /**
     * Ends the threads of this optimizer and frees its memory outside the heap. Closing it again does nothing. If it is
     * forgotten, the memory is freed some time after the optimizer has become unreachable; the threads do not end.
     *
     * @throws IllegalStateException if another call is in progress
     */
    @Override
    public void close() {
        if (guard.close()) {
            step.close();
            if (state.momentum != null) {
                state.momentum.close();
            }
        }
    }

    /** Describes the kernels, the arrays that pass 1 reads, the groups, and the plan of work. */
    @Override
    public String toString() {
        return step.toString();
    }

    /**
     * Builds an optimizer. Every value except the learning rate has a default. {@link #build} checks the values.
     *
     * <p>Not safe for use by several threads.
     */
    public static final class Builder {

        private static final int MOST_THREADS = 1024;

        private final Layers layers;
        private Schedule schedule;
        private Settings settings = Settings.of(Hyperparameters.DEFAULT);
        private final List<Group> groups = new ArrayList<>();
        private double maxGradientNorm = Double.POSITIVE_INFINITY;
        private OnBadGradient onBadGradient = OnBadGradient.THROW;
        private boolean carrySums;
        /** {@code null} means that the system property decides. */
        private Simd simd;

        private Tensors momentumBuffer;
        private boolean nativeMomentum;
        /** {@code null} means the format of the momentum buffer, or float32. */
        private Format momentumFormat;
        /** {@code null} means rounding to nearest even. */
        private Long roundingSeed;

        private int parallelism = 1;
        private Plan.Grain grain = Plan.Grain.USUAL;

        private Builder(Layers layers) {
            this.layers = Objects.requireNonNull(layers, "layers");
        }

        /**
         * Sets a constant learning rate γ: finite, 0 or more.
         *
         * @throws IllegalArgumentException if {@code rate} is negative or not finite
         */
        public Builder learningRate(double rate) {
            return learningRate(Schedule.constant(rate));
        }

        /** Sets the learning rate γ as a function of the step. */
        public Builder learningRate(Schedule schedule) {
            this.schedule = Objects.requireNonNull(schedule, "schedule");
            return this;
        }

        /**
         * Sets the rule and all hyperparameters except the learning rate at once, for example those of a checkpoint. A
         * later call of another setter replaces the value that it sets; that of {@link #rule} must follow if the
         * checkpoint's rule has a {@linkplain Rule#of trust ratio of one's own}.
         */
        public Builder hyperparameters(Hyperparameters hyperparameters) {
            settings = settings.with(Settings.of(Objects.requireNonNull(hyperparameters, "hyperparameters")));
            return this;
        }

        /** Sets the variant of LARS; by default {@link io.github.lars4j.rule.Dialects#PAPER}. */
        public Builder rule(Rule rule) {
            settings = settings.rule(rule);
            return this;
        }

        /** Sets the trust coefficient η: finite, more than 0; 0.001 by default. */
        public Builder trustCoefficient(double trustCoefficient) {
            settings = settings.trustCoefficient(trustCoefficient);
            return this;
        }

        /** Sets the trust coefficient η as a function of the step; see {@link Settings#trustCoefficient(Schedule)}. */
        public Builder trustCoefficient(Schedule trustCoefficient) {
            settings = settings.trustCoefficient(trustCoefficient);
            return this;
        }

        /** Sets the weight decay β: finite, 0 or more; 0 by default. */
        public Builder weightDecay(double weightDecay) {
            settings = settings.weightDecay(weightDecay);
            return this;
        }

        /** Sets the weight decay β as a function of the step; see {@link Settings#weightDecay(Schedule)}. */
        public Builder weightDecay(Schedule weightDecay) {
            settings = settings.weightDecay(weightDecay);
            return this;
        }

        /** Sets the momentum μ: finite, 0 or more; 0 by default, which keeps no momentum buffer. */
        public Builder momentum(double momentum) {
            settings = settings.momentum(momentum);
            return this;
        }

        /** Sets the momentum μ as a function of the step; see {@link Settings#momentum(Schedule)}. */
        public Builder momentum(Schedule momentum) {
            settings = settings.momentum(momentum);
            return this;
        }

        /**
         * Sets the dampening δ: finite; 0 by default. Gradients enter the momentum buffer multiplied by 1 - δ, except
         * on a layer's first step. Without momentum it has no effect.
         */
        public Builder dampening(double dampening) {
            settings = settings.dampening(dampening);
            return this;
        }

        /** Enables Nesterov momentum, which requires momentum above 0 and dampening 0; off by default. */
        public Builder nesterov(boolean nesterov) {
            settings = settings.nesterov(nesterov);
            return this;
        }

        /** Enables {@linkplain Hyperparameters#momentumCorrection momentum correction}; off by default. */
        public Builder momentumCorrection(boolean momentumCorrection) {
            settings = settings.momentumCorrection(momentumCorrection);
            return this;
        }

        /**
         * Adds a group: layers with hyperparameters of their own, like a parameter group of PyTorch. What the group does
         * not give comes from the optimizer. A layer may be in several groups; if two of them give the same value, that
         * of the later group counts.
         *
         * <pre>{@code
         * .group("biases", Pattern.compile("bias$"), g -> g.rateFactor(0.01))
         * .group("head", Pattern.compile("^fc2"), g -> g.learningRate(Schedule.cosine(1.0, 10_000)).momentum(0.95))
         * }</pre>
         *
         * <p>The {@link io.github.lars4j.rule.Treatment} of a layer applies as well: without decay, its weight decay is 0
         * whatever its groups give, and its rate factor multiplies theirs. A group's weight decay of 0 does not turn off
         * the trust ratio, unless its rule says so; {@link io.github.lars4j.rule.Treatment#PLAIN} turns off both.
         *
         * @param name the name, unique among the groups
         * @param pattern the layers whose name contains a match of it
         * @param settings returns the settings that it is given, with the values of the group
         * @throws IllegalArgumentException if there is a group of this name, if no layer matches, or if a value is out of
         *     its range. {@link #build} checks whether the values contradict each other
         */
        public Builder group(String name, Pattern pattern, UnaryOperator<Settings> settings) {
            Objects.requireNonNull(pattern, "pattern");
            return group(name, layer -> pattern.matcher(layer.name()).find(), settings);
        }

        /**
         * Adds a group; otherwise as {@link #group(String, Pattern, UnaryOperator)}.
         *
         * @param layers whether a layer is in the group, for example {@code layer -> layer.shape().size() <= 1}
         */
        public Builder group(String name, Predicate<Layer> layers, UnaryOperator<Settings> settings) {
            Objects.requireNonNull(name, "name");
            Objects.requireNonNull(layers, "layers");
            Group group = Group.of(name, layers, checked(settings), this.layers);
            Setup.requireNew(group, groups);
            groups.add(group);
            return this;
        }

        /**
         * Sets the maximum norm of the gradient over all layers: more than 0; infinite by default. If the norm is
         * larger, all gradients are scaled down to it before the rule sees them. This needs no further pass over
         * memory, but requires the sums of all layers before the first write.
         *
         * <p>Layers in a group with a {@linkplain Settings#maxGradientNorm maximum norm of its own} are not among them:
         * the group's norm clips them.
         */
        public Builder maxGradientNorm(double norm) {
            this.maxGradientNorm = norm;
            return this;
        }

        /** Sets what a step does if a value is not finite; by default {@link OnBadGradient#THROW}. */
        public Builder onBadGradient(OnBadGradient policy) {
            this.onBadGradient = Objects.requireNonNull(policy, "onBadGradient");
            return this;
        }

        /**
         * Sets whether pass 2 computes Σw² of the next step while it writes the weights, so that pass 1 need not read
         * them; off by default. Results are identical to the bit. It saves time for layers whose trust ratio does not
         * need Σw·g. A trainer that changes the weights between steps must then call {@link Lars#weightsChanged}.
         */
        public Builder carrySums(boolean carry) {
            this.carrySums = carry;
            return this;
        }

        /**
         * Sets the array that holds the momentum, in the layout of the weights. Every step writes to it. Its current
         * values are the initial momentum, so a layer's first step is dampened like any other. By default the optimizer
         * allocates an array of zeros.
         */
        public Builder momentumBuffer(float[] buffer) {
            return momentumBuffer(Tensors.flat(Objects.requireNonNull(buffer, "momentumBuffer")));
        }

        /**
         * Sets where the momentum lies; otherwise as {@link #momentumBuffer(float[])}. {@link Lars#addLayers} needs a flat
         * buffer with room for the new layers. Its format is {@link Format#FLOAT32} or {@link Format#BFLOAT16}, and that of
         * {@link #momentumFormat} if this is set.
         */
        public Builder momentumBuffer(Tensors buffer) {
            this.momentumBuffer = Objects.requireNonNull(buffer, "momentumBuffer");
            return this;
        }

        /**
         * Sets whether a momentum buffer of the optimizer's own lies outside the heap, which makes steps fast if weights
         * and gradients lie there, too; off by default. It may have more than 2³¹ elements; every layer in it begins at
         * a multiple of 64 bytes. {@link Lars#close} frees it.
         */
        public Builder nativeMomentum(boolean nativeMomentum) {
            this.nativeMomentum = nativeMomentum;
            return this;
        }

        /**
         * Sets the format in which the momentum is stored; that of the {@linkplain #momentumBuffer(Tensors) momentum
         * buffer} or, without one, {@link Format#FLOAT32} by default. {@link Format#BFLOAT16} halves its memory. A step
         * computes in float32 and updates the weights with the momentum before it is rounded; the rounded momentum is what
         * the next step reads and what a checkpoint contains. If an element becomes infinite by rounding, the report of the
         * step says {@link Outcome#OVERFLOWED} for its layer.
         *
         * @param format {@link Format#FLOAT32} or {@link Format#BFLOAT16}
         * @throws IllegalArgumentException if {@code format} is {@link Format#FLOAT16}, which has too small a range
         */
        public Builder momentumFormat(Format format) {
            if (Objects.requireNonNull(format, "momentumFormat") == Format.FLOAT16) {
                throw new IllegalArgumentException("momentumFormat is FLOAT16; it must be FLOAT32 or BFLOAT16");
            }
            this.momentumFormat = format;
            return this;
        }

        /**
         * Rounds a bfloat16 momentum stochastically: up or down with a probability such that the expected value is the
         * unrounded one. By default it is rounded to the nearest value, the even one of two, so that changes of less than a
         * 512th of an element are lost.
         *
         * <p>The random bits are a hash of the seed, the step, the index of the layer and the index of the element in the
         * layer. Results are thus the same on every machine and for every number of threads, and a run that is resumed goes
         * on with the same bits: a checkpoint contains the seed, which replaces this one. {@link #build} refuses a seed
         * if the momentum is float32, and if the layers are those of a {@link Shard}, whose blocks have other indices than
         * those of the whole layers.
         *
         * @param seed any number
         */
        public Builder stochasticRounding(long seed) {
            this.roundingSeed = seed;
            return this;
        }

        private MomentumStorage momentumStorage() {
            Format format = momentumFormat != null
                    ? momentumFormat
                    : momentumBuffer != null ? momentumBuffer.format() : Format.FLOAT32;
            return new MomentumStorage(format, nativeMomentum, roundingSeed);
        }

        /**
         * Sets the number of threads that share the work of a step, including the calling thread: 1 to 1024; 1 by
         * default. Results are identical to the bit for every number of threads.
         */
        public Builder parallelism(int threads) {
            this.parallelism = threads;
            return this;
        }

        /**
         * Sets whether this optimizer uses SIMD kernels; by default the system property {@code lars4j.kernels} decides.
         */
        public Builder simd(Simd simd) {
            this.simd = Objects.requireNonNull(simd, "simd");
            return this;
        }

        /** For tests: a fine grain splits even a small layout into many groups and shares. */
        Builder grain(Plan.Grain grain) {
            this.grain = grain;
            return this;
        }

        /**
         * Builds the optimizer. It refuses layers that {@link Checkpoint} could not save:
         *
         * <ul>
         *   <li>with momentum, a layer whose name is that of another layer followed by {@code .momentum_buffer},
         *   <li>a layer named {@code lars4j.checksum} or {@code __metadata__},
         *   <li>a name that contains an unpaired surrogate,
         *   <li>so many layers that the header of a checkpoint might exceed the 100 MB that its format allows (about
         *       400,000 layers with short names).
         * </ul>
         *
         * @throws IllegalArgumentException if a value is out of its range or contradicts another (the message names
         *     it), or if a checkpoint of the layers could not be written
         * @throws IllegalStateException if no learning rate was set, or if SIMD is required but not available
         */
        public Lars build() {
            if (schedule == null) {
                throw new IllegalStateException("learningRate was not given; it has no default");
            }
            settings.requireConsistent();
            Setup setup = new Setup(layers, settings, groups);
            setup.requireKnownRatios();
            if (!(maxGradientNorm > 0)) {
                throw new IllegalArgumentException(
                        "maxGradientNorm is " + maxGradientNorm + "; it must be more than 0");
            }
            if (parallelism < 1 || parallelism > MOST_THREADS) {
                throw new IllegalArgumentException(
                        "parallelism is " + parallelism + "; it must be in [1, " + MOST_THREADS + "]");
            }
            requireFits(layers);
            Savable.require(setup);
            if (momentumBuffer != null) {
                if (nativeMomentum) {
                    throw new IllegalArgumentException(
                            "nativeMomentum is true and momentumBuffer is given; only one of them is possible");
                }
                Arguments.requireMomentumBuffer(momentumBuffer, setup, parallelism);
                if (momentumFormat != null) {
                    momentumBuffer.requireFormat("momentumBuffer", momentumFormat);
                }
            }
            if (roundingSeed != null && momentumStorage().format() == Format.FLOAT32) {
                throw new IllegalArgumentException(
                        "stochasticRounding is given, and momentumFormat is FLOAT32; it must be BFLOAT16");
            }
            if (roundingSeed != null && layers.pieces()) {
                throw new IllegalArgumentException("stochasticRounding is given, and the layers are a shard's; it must"
                        + " not be, because its random bits depend on the index in the whole layer");
            }
            return new Lars(this, setup);
        }
    }
}
