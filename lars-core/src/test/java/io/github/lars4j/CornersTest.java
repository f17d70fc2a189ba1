package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.safetensors.Dtype;
import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Small cases that no larger test covers. */
@Tag("locale")
class CornersTest {

    private static final Layers LAYERS =
            Layers.builder().add("a", 5).add("b", 3).build();

    private static Lars.Builder builder() {
        return Lars.builder(LAYERS).learningRate(1);
    }

    private static Outcome outcome(Lars lars, Gradients gradients) {
        return lars.step(Random32.normal(1, 8, 1), gradients).outcome(0);
    }

    private static Gradients gradients() {
        return Gradients.of(Random32.normal(2, 8, 1));
    }

    @Test
    void aScaleThatVanishesOrOverflowsIsABadCoefficient() {
        Lars vanishing = builder()
                .maxGradientNorm(Double.MIN_VALUE)
                .onBadGradient(OnBadGradient.SKIP_LAYER)
                .build();
        assertEquals(Outcome.BAD_COEFFICIENT, outcome(vanishing, gradients().scale(1e-10)));
        Lars overflowing = builder().onBadGradient(OnBadGradient.SKIP_LAYER).build();
        assertEquals(Outcome.BAD_COEFFICIENT, outcome(overflowing, gradients().scale(1e200)));
    }

    @Test
    void aMomentumCorrectionThatOverflowsIsABadCoefficient() {
        Lars lars = builder()
                .momentum(0.9)
                .momentumCorrection(true)
                .learningRate(step -> step == 0 ? 1e-300 : 1)
                .onBadGradient(OnBadGradient.SKIP_LAYER)
                .build();
        assertEquals(Outcome.UPDATED, outcome(lars, gradients()));
        assertEquals(Outcome.BAD_COEFFICIENT, outcome(lars, gradients()));
    }

    @Test
    void eachSumThatIsAbsentIsAsked() {
        float[] params = Random32.normal(1, 8, 1);
        for (int present = 0; present < 3; present++) {
            LayerSums sums = new LayerSums(LAYERS);
            for (int i = 0; i < 2; i++) {
                if ((present & 1) != 0) {
                    sums.setWeights(i, 1);
                }
                if ((present & 2) != 0) {
                    sums.setGradients(i, 1);
                }
            }
            Lars lars = builder().build();
            assertTrue(assertThrows(IllegalArgumentException.class, () -> lars.update(params, new float[8], sums))
                    .getMessage()
                    .startsWith("sums is incomplete for layer \"a\""));
        }
    }

    @Test
    void addingSaysWhichSumsThereAre() {
        LayerSums none = new LayerSums(LAYERS);
        LayerSums products = new LayerSums(LAYERS);
        products.setProducts(0, 1);
        assertEquals(
                "other has the sums w·g for layer \"a\"; it must have no sums, like the sums it is added to",
                assertThrows(IllegalArgumentException.class, () -> none.add(products))
                        .getMessage());
    }

    @Test
    void outcomesSayWhatWasWritten() {
        for (Outcome outcome : Outcome.values()) {
            assertEquals(outcome == Outcome.UPDATED || outcome == Outcome.OVERFLOWED, outcome.written());
        }
    }

    @Test
    void aReportPrintsTheLoss() {
        Lars lars = builder().build();
        assertTrue(lars.step(new float[8], new float[8]).toString().contains("loss -"));
        assertTrue(lars.step(new float[8], new float[8], () -> 0.25).toString().contains("loss 0.250000"));
    }

    @Test
    void anOptimizerPrintsWhatCarriedSumsSave() {
        assertTrue(builder().carrySums(true).build().toString().contains("the weights of 0 layers"));
        assertTrue(builder()
                .carrySums(true)
                .rule(Dialects.OPTAX)
                .weightDecay(0.1)
                .build()
                .toString()
                .contains("the weights of 2 layers"));
    }

    @Test
    void aCheckpointPrintsWhatIsInIt(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("c");
        Checkpoint.save(file, builder().build());
        assertEquals(file + ": step 0, 2 layers", Checkpoint.load(file).toString());
        Checkpoint.save(file, builder().momentum(0.9).build(), new float[8]);
        assertEquals(
                file + ": step 0, 2 layers, momentum, weights",
                Checkpoint.load(file).toString());
    }

    @Test
    void aRestoreIsCompleteWhereNothingIsLeft() {
        assertTrue(new Restored(List.of("a"), Map.of(), List.of(), List.of("note")).complete());
        assertFalse(new Restored(List.of("a"), Map.of("b", "why"), List.of(), List.of()).complete());
        assertFalse(new Restored(List.of("a"), Map.of(), List.of("b"), List.of("note")).complete());
    }

    @Test
    void momentumThatIsInfiniteAlreadyIsNoOverflowOfTheConversion() {
        Lars lars = builder().momentum(0.9).learningRate(0.5).build();
        lars.step(Random32.normal(1, 8, 1), gradients());
        Snapshot snapshot = lars.snapshot();
        Inside.momentum(snapshot)[0] = Float.POSITIVE_INFINITY;
        Rule other = new Rule(Rule.Ratio.SUM, Rule.Entry.UPDATE, Rule.ZeroNorm.ONE, false, true, 0);
        assertEquals(Float.POSITIVE_INFINITY, Inside.momentum(snapshot.convertedTo(other))[0]);
    }

    /** The tensor of the checksums is not the last one of the file. */
    @Test
    void aChecksumThatIsNotAtTheEndIsRefused(@TempDir Path folder) throws IOException {
        byte[] header = ("{\"lars4j.checksum\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},"
                        + "\"z\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[8,16]}}")
                .getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(8 + header.length + 16).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(header.length).put(header);
        Path path = Files.write(folder.resolve("c"), file.array());
        SafeTensorsException refused = assertThrows(SafeTensorsException.class, () -> Checkpoint.load(path));
        assertTrue(refused.getMessage().contains("at the end"), refused::getMessage);
    }

    @Test
    void tensorsThatCannotBeAreRefused() {
        assertTrue(assertThrows(IllegalArgumentException.class, () -> new TensorInfo("t", Dtype.U8, List.of(1L), -1, 0))
                .getMessage()
                .contains("data_offsets is [-1, 0]"));
        List<Long> shape = Collections.nCopies(100, 1L);
        String message = assertThrows(IllegalArgumentException.class, () -> new TensorInfo("t", Dtype.U8, shape, 0, 2))
                .getMessage();
        assertTrue(message.contains("... (100 dimensions)"), message);
    }

    @Test
    void theClipOfARatioOfZeroAtARateOfZeroIsNoNaN() {
        Rule rule = new Rule(Rule.Ratio.SUM, Rule.Entry.VELOCITY, Rule.ZeroNorm.FORMULA, true, true, 0);
        assertEquals(1, rule.trustRatio(true, 0.1, 0, 0, 0, 4, 0));
    }
}
