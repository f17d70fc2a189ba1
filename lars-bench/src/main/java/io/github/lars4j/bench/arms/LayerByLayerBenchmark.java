package io.github.lars4j.bench.arms;

import io.github.lars4j.Lars;
import io.github.lars4j.Layer;
import io.github.lars4j.OnBadGradient;
import io.github.lars4j.StepReport;
import io.github.lars4j.Tensors;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Benchmarks of a step together with a producer of its gradients, which stands for backpropagation: it copies each layer's
 * gradient from a small array in cache, last layer first. {@code layerByLayer} hands each gradient over as soon as it is
 * produced, in one buffer for all layers; the others produce all gradients first.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 3,
        jvmArgsAppend = {
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow"
        })
public class LayerByLayerBenchmark {

    /** An optimizer, the gradients, and a buffer for the largest of them. */
    @State(Scope.Thread)
    public static class WithProducer extends StepBenchmark.WithFormats {

        /** Elements of the array from which gradients are copied; it fits in the L1 cache. */
        private static final int SOURCE = 4096;

        /** Where sums come from: {@code fresh}, or {@code carried}, which uses Σw² from the previous step. */
        @Param("fresh")
        public String sums;

        Lars lars;
        Passes sgd;
        Tensors tensors;
        Tensors handed;
        /** An array of the gradients' format, as is the source. */
        Object buffer;

        private Object source;

        @Override
        void setUp() {
            Formats.requireOneOf("sums", sums, "fresh", "carried");
            super.setUp();
            int largest = 0;
            for (Layer layer : layers) {
                largest = Math.max(largest, (int) layer.length());
            }
            buffer = Formats.in(formats.gradients(), new float[largest]);
            source = Formats.in(formats.gradients(), Arrays.copyOf(gradients, SOURCE));
            sgd = passes("unused", true, vector);
            lars = builder()
                    .onBadGradient(OnBadGradient.SKIP_LAYER)
                    .carrySums(sums.equals("carried"))
                    .parallelism(threads)
                    .build();
            tensors = Tensors.flat(weights);
            handed = gradientTensors();
        }

        /** Produces the gradient of a layer. */
        void produce(Layer layer, Object to, int at) {
            int length = (int) layer.length();
            for (int done = 0; done < length; done += SOURCE) {
                System.arraycopy(source, 0, to, at + done, Math.min(SOURCE, length - done));
            }
        }

        /** Produces the gradients of all layers. */
        void produceAll() {
            for (int i = layers.size() - 1; i >= 0; i--) {
                Layer layer = layers.get(i);
                produce(layer, storedGradients, (int) layer.offset());
            }
        }

        /** Ends the optimizer's threads. */
        @TearDown
        public void close() {
            lars.close();
            sgd.close();
        }
    }

    /** Each layer as soon as its gradient is there. */
    @Benchmark
    public StepReport layerByLayer(WithProducer s) {
        s.lars.beginStep(s.tensors);
        for (int i = s.layers.size() - 1; i >= 0; i--) {
            s.produce(s.layers.get(i), s.buffer, 0);
            if (s.buffer instanceof short[] narrow) {
                s.lars.applyLayer(i, s.formats.gradients(), narrow);
            } else {
                s.lars.applyLayer(i, (float[]) s.buffer);
            }
        }
        return s.lars.endStep();
    }

    /** All gradients, then a step. */
    @Benchmark
    public StepReport gradientsFirst(WithProducer s) {
        s.produceAll();
        return s.lars.step(s.tensors, s.handed);
    }

    /** All gradients, then plain SGD. */
    @Benchmark
    public float[] gradientsFirstSgd(WithProducer s) {
        s.produceAll();
        s.sgd.run();
        return s.weights;
    }

    /** The producer alone, into one buffer. */
    @Benchmark
    public Object producer(WithProducer s) {
        for (int i = s.layers.size() - 1; i >= 0; i--) {
            s.produce(s.layers.get(i), s.buffer, 0);
        }
        return s.buffer;
    }
}
