package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.lars4j.ChildJvm;
import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.KernelWish;
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

    @Test
    void theLastBlockIsTheLast() throws Exception {
        List<String> flags = List.of("-Xmx9g", "-Xmn64m", "-XX:+UseSerialGC");
        Process process = new ProcessBuilder(ChildJvm.command(flags, Passes.class)).start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals("4.0 1.5", printed);
        assertEquals(0, process.waitFor());
    }
}
