package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.memory.NativeMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Steps outside the heap in JVMs that allow native access, warn about it, or deny it. */
@Tag("no-mutants")
class NativeAccessJvmTest {

    private static final String DENIED = "tensors outside the heap are copied block by block, which is slower";

    @Test
    void theBitsAreTheSameWhetherNativeAccessIsAllowedOrDenied() throws Exception {
        String allowed = run("--enable-native-access=ALL-UNNAMED");
        assertTrue(allowed.contains("allowed true"), allowed);
        assertEquals(0, count(allowed, DENIED), allowed);
        assertEquals(0, count(allowed, "WARNING: A restricted method"), allowed);
        String warned = run();
        assertTrue(warned.contains("allowed true"), warned);
        assertEquals(0, count(warned, DENIED), warned);
        String denied = run("--illegal-native-access=deny");
        assertTrue(denied.contains("allowed false"), denied);
        assertEquals(1, count(denied, DENIED), denied);
        String vectors = run("--illegal-native-access=deny", "--add-modules", "jdk.incubator.vector");
        assertTrue(vectors.contains("allowed false"), vectors);
        for (String output : List.of(allowed, warned, denied, vectors)) {
            assertEquals(hash(false), line(output, "hash "), output);
        }
    }

    private static String run(String... flags) throws Exception {
        List<String> command = ChildJvm.command(List.of(flags), NativeAccessJvmTest.class);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        return output;
    }

    private static int count(String text, String part) {
        return text.split(Pattern.quote(part), -1).length - 1;
    }

    private static String line(String output, String begins) {
        return output.lines()
                .filter(line -> line.startsWith(begins))
                .findFirst()
                .orElse("")
                .substring(begins.length());
    }

    /** Prints the bits of a few steps outside the heap, and whether native access is allowed. */
    public static void main(String[] args) {
        System.out.println("hash " + hash(true));
        System.out.println("hash " + hash(true));
        System.out.println("allowed " + NativeMemory.isAllowed());
    }

    private static String hash(boolean outside) {
        Layers layers = Layers.builder().add("a", 9000).add("b", 17).build();
        int n = (int) layers.end();
        Random random = new Random(5);
        float[] weights = new float[n];
        float[] gradients = new float[n];
        StringBuilder bits = new StringBuilder();
        try (Arena arena = Arena.ofShared();
                Lars lars = Lars.builder(layers)
                        .learningRate(1)
                        .momentum(0.9)
                        .onBadGradient(OnBadGradient.SKIP_LAYER)
                        .nativeMomentum(outside)
                        .parallelism(2)
                        .build()) {
            MemorySegment w = arena.allocate(4L * n, 64);
            MemorySegment g = arena.allocate(4L * n, 64);
            for (int i = 0; i < n; i++) {
                weights[i] = random.nextFloat() - 0.5f;
            }
            w.copyFrom(MemorySegment.ofArray(weights));
            for (int step = 0; step < 4; step++) {
                for (int i = 0; i < n; i++) {
                    gradients[i] = random.nextFloat() - 0.5f;
                }
                g.copyFrom(MemorySegment.ofArray(gradients));
                if (!outside) {
                    lars.step(weights, gradients);
                } else if (step < 3) {
                    lars.step(Tensors.flat(w), Tensors.flat(g));
                } else {
                    lars.beginStep(Tensors.flat(w));
                    lars.applyLayer(1, g.asSlice(4 * 9000));
                    lars.applyLayer(0, g);
                    lars.endStep();
                }
            }
            if (outside) {
                weights = w.toArray(ValueLayout.JAVA_FLOAT);
            }
            int hash = 1;
            for (int i = 0; i < n; i++) {
                hash = 31 * hash + Float.floatToIntBits(weights[i]);
            }
            bits.append(hash)
                    .append(' ')
                    .append(SampleRun.bits(lars, new float[n]).hashCode());
        }
        for (Format format : new Format[] {Format.BFLOAT16, Format.FLOAT16}) {
            for (Long seed : new Long[] {null, 7L}) {
                bits.append(' ').append(narrow(outside, format, seed));
            }
        }
        return bits.toString();
    }

    /**
     * Returns a hash over weights, copies of the weights and a bfloat16 momentum after each of some steps. Outside the
     * heap, the third goes layer by layer.
     *
     * @param format the format of the gradients
     * @param seed of the stochastic rounding; {@code null} to round to nearest
     */
    private static int narrow(boolean outside, Format format, Long seed) {
        Layers layers = Layers.builder().add("a", 9000).add("b", 17).build();
        int n = (int) layers.end();
        Random random = new Random(6);
        Lars.Builder builder = Lars.builder(layers)
                .learningRate(1)
                .momentum(0.9)
                .momentumFormat(Format.BFLOAT16)
                .onBadGradient(OnBadGradient.SKIP_LAYER)
                .nativeMomentum(outside)
                .parallelism(2);
        if (seed != null) {
            builder.stochasticRounding(seed);
        }
        int hash = 1;
        try (Arena arena = Arena.ofShared();
                Lars lars = builder.build()) {
            float[] weights = new float[n];
            for (int i = 0; i < n; i++) {
                weights[i] = random.nextFloat() - 0.5f;
            }
            short[] gradients = new short[n];
            short[] copies = new short[n];
            MemorySegment g = arena.allocate(2L * n, 64);
            MemorySegment c = arena.allocate(2L * n, 64);
            MemorySegment w = arena.allocateFrom(ValueLayout.JAVA_FLOAT, weights);
            Tensors params = outside ? Tensors.flat(w) : Tensors.flat(weights);
            Tensors given = outside ? Tensors.flat(format, g) : Tensors.flat(format, gradients);
            Tensors halves = outside ? Tensors.flat(Format.BFLOAT16, c) : Tensors.flat(Format.BFLOAT16, copies);
            for (int step = 0; step < 4; step++) {
                for (int i = 0; i < n; i++) {
                    gradients[i] = format.toShort(random.nextFloat() - 0.5f);
                }
                g.copyFrom(MemorySegment.ofArray(gradients));
                if (step % 3 == 0) {
                    lars.step(params, given);
                } else if (step == 1 || !outside) {
                    lars.step(params, given, halves);
                } else {
                    lars.beginStep(params, 1, halves);
                    lars.applyLayer(1, format, g.asSlice(2 * 9000));
                    lars.applyLayer(0, format, g);
                    lars.endStep();
                }
                hash = 31 * hash + Arrays.hashCode(outside ? w.toArray(ValueLayout.JAVA_FLOAT) : weights);
                hash = 31 * hash + Arrays.hashCode(outside ? c.toArray(ValueLayout.JAVA_SHORT) : copies);
                hash = 31 * hash + Arrays.hashCode(Inside.momentum(lars));
            }
        }
        return hash;
    }
}
