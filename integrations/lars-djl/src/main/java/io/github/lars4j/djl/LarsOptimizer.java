package io.github.lars4j.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import io.github.lars4j.Checkpoint;
import io.github.lars4j.Format;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.Outcome;
import io.github.lars4j.Schedule;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * LARS as an optimizer of Deep Java Library. It works on the engine's own tensors, without a copy, and its bits are those of
 * {@link Lars}.
 *
 * <pre>{@code
 * LarsOptimizer optimizer = LarsOptimizer.forBlock(model.getBlock())
 *         .setLearningRateTracker(new ScheduleTracker(Schedule.polynomial(8, 2, steps).warmup(steps / 10)))
 *         .optMomentum(0.9)
 *         .optWeightDecays(1e-4f)
 *         .build();
 * TrainingConfig config = new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss()).optOptimizer(optimizer);
 * }</pre>
 *
 * <p><b>Layers.</b> Each parameter of the block is a layer, named by its path, such as {@code 02Linear_weight}. Biases, the
 * gammas and betas of normalization, and all that have at most one dimension have neither weight decay nor trust ratio
 * ({@link Treatment#PLAIN}), as in MLPerf, unless {@link Builder#optTreatment} says otherwise.
 *
 * <p><b>Steps.</b> A parameter is updated when DJL calls for it, and its gradient is set to zero, as DJL expects of
 * optimizers. So layers cannot be clipped by a norm over all, and a gradient that is not finite stops its own layer only.
 * Gradients that several backward passes have added are not averaged: use {@link Builder#setRescaleGrad}.
 *
 * <p><b>Engines.</b> Parameters must be float32, contiguous and on the CPU, of an engine that gives direct access to its
 * tensors, as PyTorch does: others, such as those on GPUs, are refused. Gradients may also be float16. Run with {@code --add-modules
 * jdk.incubator.vector --enable-native-access=ALL-UNNAMED}.
 *
 * <p>Not safe for use by several threads.
 */
public final class LarsOptimizer extends Optimizer implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(LarsOptimizer.class);

    private final Block block;
    private final List<BlockLayers.PatternTreatment> overrides;
    private final OnBadGradient onBadGradient;
    private final UnaryOperator<Lars.Builder> settings;

    /** {@code null} until the parameters have shapes. */
    private BlockLayers layers;

    private BlockSteps steps;

    private LarsOptimizer(Builder builder) {
        super(builder);
        this.block = builder.block;
        this.overrides = List.copyOf(builder.overrides);
        this.onBadGradient = builder.onBadGradient;
        this.settings = builder.settings(getWeightDecay());
    }

    /** Returns a builder. */
    public static Builder builder() {
        return new Builder();
    }

    /** Returns a builder for the parameters of a block, which need not be initialized yet. */
    public static Builder forBlock(Block block) {
        return builder().setBlock(block);
    }

    /**
     * Updates a parameter and sets its gradient to zero. DJL calls this for each parameter in a step.
     *
     * @param parameterId the {@linkplain Parameter#getId id} of a parameter of the block
     * @param weight its values, which are written
     * @param grad its gradient, which is only read; not kept
     * @throws IllegalArgumentException if the block has no such parameter, or a tensor is of a kind that is not supported.
     *     Nothing was changed then
     * @throws IllegalStateException if the parameter of the trainer is not that of the block any more
     * @throws ArithmeticException if the gradient or the parameter is not finite, unless {@link
     *     Builder#optOnBadGradient} says otherwise. Neither it nor its momentum was changed then. Parameters that came
     *     before were updated; the gradients of the others are set to zero, and the step is over
     */
    @Override
    public void update(String parameterId, NDArray weight, NDArray grad) {
        BlockLayers known = layers();
        int layer = known.index(parameterId);
        String name = known.layers().get(layer).name();
        TensorMemory.requireKind(name, weight);
        if (!weight.getShape().equals(known.shape(layer)) || grad.size() != weight.size()) {
            throw new IllegalArgumentException("parameter " + name + " has shape " + weight.getShape()
                    + " and its gradient " + grad.getShape() + "; both must have " + known.shape(layer));
        }
        Format format = TensorMemory.format(name, grad);
        Outcome outcome;
        // It also closes the tensors that the engine leaves behind.
        try (NDManager scratch = grad.getManager().newSubManager()) {
            NDArray flat = grad.reshape(grad.size());
            flat.attach(scratch);
            NDArray clipped = clips() ? flat.mul(rescaleGrad).clip(-clipGrad, clipGrad) : flat;
            outcome = steps().update(layer, weight, format, TensorMemory.elements(clipped));
        }
        TensorMemory.clearGradient(weight);
        if (!outcome.bad()) {
            return;
        }
        String message = "parameter " + name + " has " + inWords(outcome);
        if (outcome.written() || onBadGradient == OnBadGradient.SKIP_LAYER) {
            LOG.warn(message);
        } else {
            endBadStep();
            throw new ArithmeticException(message + "; it was not updated");
        }
    }

    /** Ends a step that is broken off: DJL does not call for the other parameters, whose gradients must not stay. */
    private void endBadStep() {
        steps.end();
        for (Parameter parameter : layers.parameters()) {
            if (parameter.requiresGradient()) {
                TensorMemory.clearGradient(parameter.getArray());
            }
        }
    }

    private static String inWords(Outcome outcome) {
        return switch (outcome) {
            case BAD_GRADIENT -> "a gradient with NaN or infinity";
            case BAD_WEIGHTS -> "values with NaN or infinity";
            case OVERFLOWED -> "values or momentum that became infinite in the update";
            default -> "a rate or a ratio that is not finite";
        };
    }

    private boolean clips() {
        return clipGrad >= 0;
    }

    private BlockLayers layers() {
        if (layers == null) {
            layers = new BlockLayers(block, overrides);
        }
        return layers;
    }

    /** Makes the steps at the first update or restore, when the parameters have shapes. */
    private BlockSteps steps() {
        if (steps == null) {
            BlockLayers layers = layers();
            Lars lars = settings.apply(Lars.builder(layers.layers())).build();
            try {
                steps = new BlockSteps(layers, lars, clips() ? 1 : rescaleGrad);
            } catch (RuntimeException e) {
                lars.close();
                throw e;
            }
        }
        return steps;
    }

    /** Returns the number of steps taken, with the one in which some parameters have come and others have not. */
    public long stepsTaken() {
        return steps == null ? 0 : steps.count();
    }

    /**
     * Saves momentum and progress. DJL saves parameters only: save the model as well. {@link SaveTrainingListener} does both.
     *
     * @param file a safetensors file, see {@link Checkpoint}; replaced in one move
     * @throws IOException if it cannot be written
     * @throws IllegalStateException if the block is not initialized
     */
    public void save(Path file) throws IOException {
        Checkpoint.save(file, steps().lars());
    }

    /**
     * Restores what {@link #save} has saved, in this process or in another one. The parameters are found by their paths.
     * Weight decay, momentum, trust coefficient, rule, groups and treatments of the file replace those of this optimizer, the
     * learning rate does not.
     *
     * @param file the file
     * @throws IOException if it cannot be read, is damaged, or is of another block. Nothing was changed then
     * @throws IllegalStateException if the block is not initialized: load the model or initialize the trainer before
     */
    public void restore(Path file) throws IOException {
        Checkpoint.load(file).restore(steps().lars());
    }

    /** Describes settings and kernels, from the first update on. */
    @Override
    public String toString() {
        return steps == null ? "LARS, before its first update" : steps.toString();
    }

    /** Frees the momentum, which lies outside the heap. If this is not called, it is freed some time after the last use. */
    @Override
    public void close() {
        if (steps != null) {
            steps.close();
        }
    }

    /** Builds an optimizer: what {@code set} sets is required, what {@code opt} sets is not. */
    public static final class Builder extends OptimizerBuilder<Builder> {

        private Block block;
        private Tracker tracker;
        private float rescaleGrad = 1;
        private int beginNumUpdate;
        private double momentum;
        private double trustCoefficient = Hyperparameters.DEFAULT.trustCoefficient();
        private OnBadGradient onBadGradient = OnBadGradient.THROW;
        private final List<BlockLayers.PatternTreatment> overrides = new ArrayList<>();
        private UnaryOperator<Lars.Builder> core = UnaryOperator.identity();

        private Builder() {}

        /** Sets the block whose parameters the trainer trains. It may be initialized later. */
        public Builder setBlock(Block block) {
            this.block =
                    Objects.requireNonNull(block, "block is null; set the model's block before the optimizer is built");
            return this;
        }

        /**
         * Sets the learning rate: any {@link Tracker} whose value depends on nothing but the number of the update, or a
         * {@link ScheduleTracker}. The first step has the number 1.
         */
        public Builder setLearningRateTracker(Tracker tracker) {
            this.tracker = Objects.requireNonNull(tracker, "tracker");
            return this;
        }

        /** Sets the momentum μ: finite, 0 or more; 0 by default. */
        public Builder optMomentum(double momentum) {
            this.momentum = momentum;
            return this;
        }

        /** Sets the trust coefficient η: finite, more than 0; 0.001 by default. */
        public Builder optTrustCoefficient(double trustCoefficient) {
            this.trustCoefficient = trustCoefficient;
            return this;
        }

        /**
         * Sets how some parameters are treated, in place of the usual: {@link Treatment#PLAIN} for biases, gammas, betas and
         * all that have at most one dimension, {@link Treatment#FULL} for the others. Of several patterns that match, the last counts.
         *
         * @param pattern the parameters whose path contains a match, such as {@code ^02Linear_}; {@link #build} cannot
         *     check that there are any, the first update does
         */
        public Builder optTreatment(Pattern pattern, Treatment treatment) {
            overrides.add(new BlockLayers.PatternTreatment(
                    Objects.requireNonNull(pattern, "pattern"), Objects.requireNonNull(treatment, "treatment")));
            return this;
        }

        /**
         * Sets what becomes of a gradient or a parameter that is not finite: {@link OnBadGradient#THROW}, the default, or
         * {@link OnBadGradient#SKIP_LAYER}, which leaves it out and logs a warning.
         *
         * @throws IllegalArgumentException if {@code policy} is {@link OnBadGradient#REFUSE}: when a gradient comes,
         *     others have been applied
         */
        public Builder optOnBadGradient(OnBadGradient policy) {
            if (Objects.requireNonNull(policy, "policy") == OnBadGradient.REFUSE) {
                throw new IllegalArgumentException("policy is REFUSE; it must be THROW or SKIP_LAYER");
            }
            this.onBadGradient = policy;
            return this;
        }

        /**
         * Sets anything else that the core can do, such as the rule, Nesterov momentum, groups, threads, or momentum in
         * bfloat16.
         *
         * <pre>{@code
         * .optCore(lars -> lars.nesterov(true).rule(Dialects.OPTAX).parallelism(4))
         * }</pre>
         *
         * @param core returns the builder that it is given. The rate is that of the tracker, {@link #optOnBadGradient} decides
         *     about bad gradients, and sums are not carried, because DJL may change parameters between steps, whatever it sets. What needs the gradients of all layers at
         *     once, as a maximum norm does, is refused by the first update
         */
        public Builder optCore(UnaryOperator<Lars.Builder> core) {
            this.core = Objects.requireNonNull(core, "core");
            return this;
        }

        /**
         * Sets a bound of each element of the gradients: they are clipped to {@code [-clipGrad, clipGrad]} after the scale, so
         * an infinity becomes the bound, and NaN stays. Negative for none, the default.
         *
         * @throws IllegalArgumentException if {@code clipGrad} is NaN
         */
        @Override
        public Builder optClipGrad(float clipGrad) {
            if (Float.isNaN(clipGrad)) {
                throw new IllegalArgumentException("clipGrad is NaN; it must be a bound, or negative for none");
            }
            return super.optClipGrad(clipGrad);
        }

        /** Sets the factor of all gradients, such as 1 over the number of backward passes: finite, more than 0; 1 by default. */
        @Override
        public Builder setRescaleGrad(float rescaleGrad) {
            this.rescaleGrad = rescaleGrad;
            return super.setRescaleGrad(rescaleGrad);
        }

        /** Sets the number of updates that were made before: the first one here has the next number; 0 by default. */
        @Override
        public Builder optBeginNumUpdate(int beginNumUpdate) {
            this.beginNumUpdate = beginNumUpdate;
            return super.optBeginNumUpdate(beginNumUpdate);
        }

        @Override
        protected Builder self() {
            return this;
        }

        private UnaryOperator<Lars.Builder> settings(float weightDecay) {
            Schedule schedule = ScheduleTracker.schedule(tracker);
            int begin = beginNumUpdate;
            Schedule shifted = begin == 0 ? schedule : step -> schedule.rate(step + begin);
            double mu = momentum;
            double eta = trustCoefficient;
            UnaryOperator<Lars.Builder> more = core;
            return lars -> more.apply(lars.momentum(mu)
                            .weightDecay(weightDecay)
                            .trustCoefficient(eta)
                            .nativeMomentum(true))
                    .learningRate(shifted)
                    .carrySums(false)
                    .onBadGradient(OnBadGradient.SKIP_LAYER);
        }

        /**
         * Builds the optimizer. The first update checks what {@link #optCore} has set, and the patterns.
         *
         * @throws NullPointerException if block or learning rate were not set
         * @throws IllegalArgumentException if a value is out of its range
         */
        public LarsOptimizer build() {
            Objects.requireNonNull(block, "block was not set");
            Objects.requireNonNull(tracker, "learningRateTracker was not set");
            if (!(rescaleGrad > 0 && rescaleGrad <= Float.MAX_VALUE)) {
                throw new IllegalArgumentException(
                        "rescaleGrad is " + rescaleGrad + "; it must be finite and more than 0");
            }
            if (beginNumUpdate < 0) {
                throw new IllegalArgumentException("beginNumUpdate is " + beginNumUpdate + "; it must be 0 or more");
            }
            LarsOptimizer optimizer = new LarsOptimizer(this);
            Lars.builder(Layers.builder().add("any", 1).build())
                    .learningRate(0)
                    .momentum(momentum)
                    .weightDecay(optimizer.getWeightDecay())
                    .trustCoefficient(trustCoefficient)
                    .build()
                    .close();
            return optimizer;
        }
    }
}
