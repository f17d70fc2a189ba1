package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Allocation;
import io.github.lars4j.Format;
import io.github.lars4j.Kernel;
import io.github.lars4j.Lars;
import io.github.lars4j.Layers;
import io.github.lars4j.Tensors;
import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Treatment;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Steps allocate nothing, in whatever formats. The bytes are counted as {@link AllocationTest} does: over windows of
 * steps, of which one must have none.
 */
@Tag("no-mutants")
class FormatsAllocationTest {

    private static final int STEPS = 50;

    private static final Layers LAYERS = Layers.builder()
            .add("a", 4096 + 4 * 64 + 3)
            .add("b", 64, Treatment.PLAIN)
            .add("c", 4000)
            .add("products.a", 4096 + 4 * 64 + 3)
            .add("products.b", 4000)
            .build();

    private static final Format[] GRADIENTS = {Format.FLOAT32, Format.BFLOAT16, Format.FLOAT16};

    private int checked;

    /** The formats of the momentum, and its rounding. */
    private enum Momentum {
        FLOAT32,
        NEAREST,
        STOCHASTIC
    }

    private enum Where {
        ARRAYS,
        OUTSIDE,
        /** Weights and momentum in arrays, the gradient and the copies of the weights outside the heap. */
        BOTH
    }

    @Test
    void scalarStepsAllocateNothing() {
        for (Format gradients : GRADIENTS) {
            for (Momentum momentum : Momentum.values()) {
                for (Where where : Where.values()) {
                    int threads = checked % 4 == 0 ? 3 : 1;
                    check("scalar", gradients, momentum, where, threads, checked % 2 == 0, 20);
                }
            }
        }
        System.out.println(checked + " kinds of steps in narrow formats allocated nothing");
    }

    /** Vectors are objects until C2 has compiled the kernels, which takes some windows. */
    @Test
    void compiledVectorStepsAllocateNothing() {
        check("vector", Format.BFLOAT16, Momentum.NEAREST, Where.ARRAYS, 1, true, 2000);
    }

    @Test
    @Tag("slow")
    void compiledVectorStepsOfAllFormatsAllocateNothing() {
        for (Format gradients : GRADIENTS) {
            for (Momentum momentum : Momentum.values()) {
                for (Where where : Where.values()) {
                    for (boolean carry : new boolean[] {false, true}) {
                        check("vector", gradients, momentum, where, 2, carry, 2000);
                    }
                }
            }
        }
    }

    private void check(
            String kernels,
            Format gradientFormat,
            Momentum momentum,
            Where where,
            int threads,
            boolean carry,
            int windows) {
        boolean outside = where == Where.OUTSIDE;
        Set<Long> others = Allocation.workers();
        try (Arena arena = Arena.ofShared();
                Lars lars = Kernel.with(kernels, () -> {
                    Lars.Builder builder = Lars.builder(LAYERS)
                            .learningRate(0.01)
                            .momentum(0.9)
                            .weightDecay(1e-4)
                            .carrySums(carry)
                            .nativeMomentum(outside)
                            .momentumFormat(momentum == Momentum.FLOAT32 ? Format.FLOAT32 : Format.BFLOAT16)
                            .parallelism(threads)
                            // This rule needs the sum of w·g, and the default one does not.
                            .group("products", Pattern.compile("^products"), s -> s.rule(Dialects.OPTAX));
                    return (momentum == Momentum.STOCHASTIC ? builder.stochasticRounding(3) : builder).build();
                })) {
            Set<Long> own = Allocation.workers();
            own.removeAll(others);
            assertEquals(threads - 1, own.size(), "threads of the optimizer");
            long[] ids = own.stream().mapToLong(Long::longValue).toArray();
            Tensors w = tensors(Format.FLOAT32, outside, arena);
            Tensors g = tensors(gradientFormat, where != Where.ARRAYS, arena);
            Tensors h = tensors(Format.BFLOAT16, where != Where.ARRAYS, arena);
            long least = Long.MAX_VALUE;
            for (int window = 0; window < windows && least > 0; window++) {
                long before = Allocation.bytes(ids);
                for (int i = 0; i < STEPS; i++) {
                    // Steps with copies of the weights and without them use kernels of two kinds.
                    if (i % 10 < 9) {
                        lars.step(w, g, h);
                    } else {
                        lars.step(w, g);
                    }
                }
                least = Math.min(least, Allocation.bytes(ids) - before);
            }
            assertTrue(lars.kernels().startsWith(kernels));
            assertEquals(
                    0,
                    least,
                    () -> "bytes in " + STEPS + " steps: " + kernels + ", " + gradientFormat + ", " + momentum + ", "
                            + where + ", " + threads + " threads, carry " + carry);
            checked++;
        }
    }

    /** Returns tensors that are all 1. */
    private static Tensors tensors(Format format, boolean outside, Arena arena) {
        int n = (int) LAYERS.end();
        if (format == Format.FLOAT32) {
            float[] ones = new float[n];
            Arrays.fill(ones, 1);
            return outside ? Tensors.flat(arena.allocateFrom(ValueLayout.JAVA_FLOAT, ones)) : Tensors.flat(ones);
        }
        short[] ones = new short[n];
        Arrays.fill(ones, (short) (format == Format.BFLOAT16 ? 0x3f80 : 0x3c00));
        return outside
                ? Tensors.flat(format, arena.allocateFrom(ValueLayout.JAVA_SHORT, ones))
                : Tensors.flat(format, ones);
    }
}
