package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.lars4j.ChildJvm;
import io.github.lars4j.internal.kernel.BlockSums;
import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.kernel.Kernels;
import io.github.lars4j.internal.kernel.Stripes;
import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.Operand;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The passes reach the end of the longest array, in a JVM with a heap of 9 GiB. */
@Tag("slow")
class LongArrayTest {

    /** Measures and updates one layer with a single element that is not 0, the last one. */
    static final class Passes {

        private Passes() {}

        public static void main(String[] args) {
            float[] array = new float[Integer.MAX_VALUE - 8];
            array[array.length - 1] = 2;
            Operand operand = Operand.flat(ElementType.FLOAT32, array, new long[1]);
            Plan plan = Plan.of(new long[] {array.length}, Plan.Rounds.ONE, 1, Plan.Grain.USUAL);
            BlockKernels kernels =
                    new BlockKernels(KernelSource.open(new KernelWish(KernelWish.Wanted.SCALAR, "the test")), 1);
            ScalarBlocks.choose(kernels, operand, operand, null);
            MeasurePass measure = new MeasurePass(plan);
            Coefficients coefficients = new Coefficients(1);
            coefficients.b[0] = 1;
            coefficients.p[0] = 0.25f;
            UpdatePass update = new UpdatePass(plan, coefficients);
            try (Crew crew = new Crew(1)) {
                measure.run(crew, kernels, operand, operand, new byte[] {MeasurePass.WEIGHTS}, 0);
                update.run(
                        crew,
                        kernels,
                        operand,
                        operand,
                        null,
                        null,
                        null,
                        new boolean[] {true},
                        new boolean[1],
                        false,
                        0);
            }
            System.out.print(measure.weights(0) + " " + array[array.length - 1]);
        }
    }

    /** Takes the sums of the last block by vector kernels, whose loops pass it several times, each from another stripe. */
    static final class VectorSums {

        private VectorSums() {}

        public static void main(String[] args) {
            float[] array = new float[Integer.MAX_VALUE - 8];
            array[array.length - 1] = 2;
            int from = array.length - Stripes.BLOCK;
            Kernels kernels = KernelSource.open(new KernelWish(KernelWish.Wanted.VECTOR, "the test"))
                    .arrays();
            double[] scratch = new double[Stripes.SCRATCH];
            BlockSums sums = new BlockSums(2);
            kernels.measure(array, array, from, Stripes.BLOCK, scratch, sums, 0);
            kernels.squares(array, array, from, Stripes.BLOCK, scratch, sums, 1);
            System.out.print(sums.products[0] + " " + sums.gradients[1] + " "
                    + kernels.squares(array, from, Stripes.BLOCK, scratch));
        }
    }

    @Test
    void theLastBlockIsTheLast() throws Exception {
        assertEquals("4.0 1.5", run(Passes.class, 512));
    }

    @Test
    void noIndexOverflows() throws Exception {
        for (int bits : new int[] {128, 256, 512}) {
            assertEquals("4.0 4.0 4.0", run(VectorSums.class, bits), bits + " bits");
        }
    }

    private static String run(Class<?> main, int bits) throws Exception {
        List<String> flags = List.of(
                "-Xmx9g",
                "-Xmn64m",
                "-XX:+UseSerialGC",
                "--add-modules=jdk.incubator.vector",
                "-Dlars4j.vectorBits=" + bits);
        Process process = new ProcessBuilder(ChildJvm.command(flags, main)).start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor());
        return printed;
    }
}
