package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Checkpoint;
import io.github.lars4j.Format;
import io.github.lars4j.Gradients;
import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.StepReport;
import io.github.lars4j.Tensors;
import io.github.lars4j.bench.arms.EightBit;
import io.github.lars4j.bench.largebatch.Trainer.Method;
import java.io.IOException;
import java.nio.file.Path;
import java.util.SplittableRandom;

/** The library's LARS, in float32 or in other formats. */
class LarsOptimizer implements Optimizer {

    /** The seed of stochastic rounding. */
    private static final long SEED = 1;

    final Lars lars;
    StepReport report;

    private LarsOptimizer(Lars lars) {
        this.lars = lars;
    }

    /**
     * Makes an optimizer.
     *
     * @param method other than SGD
     * @param builder with all settings but the formats
     */
    static Optimizer of(Method method, Lars.Builder builder, Layers layers) {
        return switch (method) {
            case SGD -> throw new IllegalArgumentException("SGD is no LARS");
            case LARS -> new LarsOptimizer(builder.build());
            case BF16_GRADIENT -> new OfNarrowGradients(builder.build(), Format.BFLOAT16);
            case F16_GRADIENT -> new OfNarrowGradients(builder.build(), Format.FLOAT16);
            case BF16_MOMENTUM -> new LarsOptimizer(narrow(builder).build());
            case BF16_MOMENTUM_STOCHASTIC ->
                new LarsOptimizer(narrow(builder).stochasticRounding(SEED).build());
            case BF16_BOTH -> new OfNarrowGradients(narrow(builder).build(), Format.BFLOAT16);
            case BF16_BOTH_STOCHASTIC ->
                new OfNarrowGradients(narrow(builder).stochasticRounding(SEED).build(), Format.BFLOAT16);
            case LINEAR8_MOMENTUM -> new InEightBits(builder, layers, EightBit.LINEAR, false);
            case LINEAR8_MOMENTUM_STOCHASTIC -> new InEightBits(builder, layers, EightBit.LINEAR, true);
            case DYNAMIC8_MOMENTUM -> new InEightBits(builder, layers, EightBit.DYNAMIC, false);
            case DYNAMIC8_MOMENTUM_STOCHASTIC -> new InEightBits(builder, layers, EightBit.DYNAMIC, true);
        };
    }

    private static Lars.Builder narrow(Lars.Builder builder) {
        return builder.momentumFormat(Format.BFLOAT16);
    }

    @Override
    public void step(float[] weights, float[] gradients) {
        report = lars.step(weights, gradients);
    }

    @Override
    public double trustRatio(int layer) {
        return report.trustRatio(layer);
    }

    @Override
    public long steps() {
        return lars.steps();
    }

    @Override
    public void save(Path file, float[] weights) throws IOException {
        Checkpoint.save(file, lars, weights);
    }

    @Override
    public void restore(Path file, float[] weights) throws IOException {
        Checkpoint.load(file).restore(lars, weights);
    }

    @Override
    public void close() {
        lars.close();
    }

    /** LARS with gradients in a narrow format. */
    private static final class OfNarrowGradients extends LarsOptimizer {

        /**
         * Keeps small gradients among the normal numbers of float16, and is exact. A gradient of more than 63 overflows,
         * and ends the run.
         */
        private static final float LOSS_SCALE = 1024;

        private final Format format;

        OfNarrowGradients(Lars lars, Format format) {
            super(lars);
            this.format = format;
        }

        @Override
        public void step(float[] weights, float[] gradients) {
            short[] narrow = new short[gradients.length];
            for (int i = 0; i < narrow.length; i++) {
                narrow[i] = format.toShort(LOSS_SCALE * gradients[i]);
            }
            report = lars.step(
                    Tensors.flat(weights),
                    Gradients.of(Tensors.flat(format, narrow)).scale(1 / LOSS_SCALE));
        }
    }

    /** LARS whose momentum is rounded to 8 bits after each step. */
    private static final class InEightBits extends LarsOptimizer {

        private final Layers layers;
        private final EightBit code;
        private final boolean stochastic;
        private final float[] momentum;

        InEightBits(Lars.Builder builder, Layers layers, EightBit code, boolean stochastic) {
            this(builder, layers, code, stochastic, new float[(int) layers.end()]);
        }

        private InEightBits(Lars.Builder builder, Layers layers, EightBit code, boolean stochastic, float[] momentum) {
            super(builder.momentumBuffer(momentum).build());
            this.layers = layers;
            this.code = code;
            this.stochastic = stochastic;
            this.momentum = momentum;
        }

        @Override
        public void step(float[] weights, float[] gradients) {
            super.step(weights, gradients);
            // A run that is resumed draws the same numbers.
            SplittableRandom random = stochastic ? new SplittableRandom(lars.steps()) : null;
            for (Layer layer : layers) {
                code.round(momentum, (int) layer.offset(), (int) layer.end(), random);
            }
        }
    }
}
