package io.github.lars4j.internal.passes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.lars4j.internal.memory.ElementType;
import io.github.lars4j.internal.memory.Operand;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The passes wake only the threads whose share has something to read or to write. */
class WakingTest {

    private static final int THREADS = 4;
    private static final int BLOCK = 4096;

    /**
     * Three layers: two threads share the first, the third has the second and a block of the last, the fourth the rest.
     */
    private static final long[] LENGTHS = {4 * BLOCK, BLOCK, 3 * BLOCK};

    private static final long[] OFFSETS = {0, 4 * BLOCK, 5 * BLOCK};

    private final Plan plan = plan(LENGTHS);
    private final float[] weights = new float[8 * BLOCK];
    private final float[] gradients = new float[8 * BLOCK];
    private final Operand placeOfWeights = Operand.flat(ElementType.FLOAT32, weights, OFFSETS);
    private final Operand placeOfGradients = Operand.flat(ElementType.FLOAT32, gradients, OFFSETS);

    private static Plan plan(long... lengths) {
        return Plan.of(lengths, Plan.Rounds.ONE, THREADS, Plan.Grain.USUAL);
    }

    private int layer(int element) {
        return plan.layer(element / BLOCK);
    }

    @Test
    void aShareOfWhichNothingIsReadWakesNobody() {
        Arrays.fill(weights, 2);
        Arrays.fill(gradients, 3);
        MeasurePass pass = new MeasurePass(plan);
        try (Crew crew = new Crew(THREADS)) {
            byte[][] reads = {
                {MeasurePass.BOTH, MeasurePass.BOTH, MeasurePass.BOTH},
                {MeasurePass.GRADIENTS, MeasurePass.NOTHING, MeasurePass.NOTHING},
                {MeasurePass.NOTHING, MeasurePass.WEIGHTS, MeasurePass.NOTHING},
                {MeasurePass.NOTHING, MeasurePass.NOTHING, MeasurePass.WEIGHTS},
                {MeasurePass.NOTHING, MeasurePass.NOTHING, MeasurePass.NOTHING},
            };
            String[] woken = {"123", "1--", "-2-", "-23", "---"};
            for (int i = 0; i < reads.length; i++) {
                byte[] read = reads[i];
                assertEquals(
                        woken[i],
                        CrewTest.woken(
                                crew,
                                THREADS,
                                () -> pass.run(
                                        crew,
                                        ScalarBlocks.of(THREADS, placeOfWeights, placeOfGradients),
                                        placeOfWeights,
                                        placeOfGradients,
                                        read,
                                        0)));
                for (int layer = 0; layer < 3; layer++) {
                    if ((read[layer] & MeasurePass.WEIGHTS) != 0) {
                        assertEquals(4.0 * LENGTHS[layer], pass.weights(layer));
                    }
                    if ((read[layer] & MeasurePass.GRADIENTS) != 0) {
                        assertEquals(9.0 * LENGTHS[layer], pass.gradients(layer));
                    }
                }
            }
        }
    }

    @Test
    void aShareOfWhichNothingIsWrittenWakesNobody() {
        Arrays.fill(gradients, 1);
        Coefficients coefficients = new Coefficients(3);
        Arrays.fill(coefficients.a, 1);
        Arrays.fill(coefficients.p, -1);
        UpdatePass pass = new UpdatePass(plan, coefficients);
        try (Crew crew = new Crew(THREADS)) {
            boolean[][] updates = {
                {true, true, true},
                {true, false, false},
                {false, true, false},
                {false, false, true},
                {false, false, false}
            };
            String[] woken = {"123", "1--", "-2-", "-23", "---"};
            float[] expected = new float[weights.length];
            for (int i = 0; i < updates.length; i++) {
                boolean[] update = updates[i];
                assertEquals(
                        woken[i],
                        CrewTest.woken(
                                crew,
                                THREADS,
                                () -> pass.run(
                                        crew,
                                        ScalarBlocks.of(THREADS, placeOfWeights, placeOfGradients),
                                        placeOfWeights,
                                        placeOfGradients,
                                        null,
                                        null,
                                        null,
                                        update,
                                        new boolean[3],
                                        true,
                                        0)));
                for (int e = 0; e < expected.length; e++) {
                    expected[e] += update[layer(e)] ? 10 : 0; // rounds
                }
                assertArrayEquals(expected, weights);
                for (int layer = 0; layer < 3; layer++) {
                    if (update[layer]) {
                        double weight = expected[(int) OFFSETS[layer]];
                        assertEquals(weight * weight * LENGTHS[layer], pass.squares(layer));
                    }
                }
            }
        }
    }

    @Test
    void aSmallLayoutWakesNobodyAndALargerOneThoseThatHaveAShare() {
        byte[] all = {MeasurePass.BOTH};
        try (Crew crew = new Crew(THREADS)) {
            String[] woken = {"---", "1--", "12-", "123"};
            for (int shares = 1; shares <= 4; shares++) {
                MeasurePass pass = new MeasurePass(plan(2L * BLOCK * shares));
                assertEquals(
                        woken[shares - 1],
                        CrewTest.woken(
                                crew,
                                THREADS,
                                () -> pass.run(
                                        crew,
                                        ScalarBlocks.of(THREADS, placeOfWeights, placeOfGradients),
                                        placeOfWeights,
                                        placeOfGradients,
                                        all,
                                        0)));
                UpdatePass update = new UpdatePass(plan(2L * BLOCK * shares), new Coefficients(1));
                assertEquals(
                        woken[shares - 1],
                        CrewTest.woken(
                                crew,
                                THREADS,
                                () -> update.run(
                                        crew,
                                        ScalarBlocks.of(THREADS, placeOfWeights, placeOfGradients),
                                        placeOfWeights,
                                        placeOfGradients,
                                        null,
                                        null,
                                        null,
                                        new boolean[] {true},
                                        new boolean[1],
                                        false,
                                        0)));
            }
        }
    }
}
