package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Treatment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

@Tag("locale")
class LayersTest {

    private static Layers.Builder network() {
        return Layers.builder()
                .addTensor("conv1.weight", 64, 3, 7, 7)
                .addTensor("bn1.weight", 64)
                .addTensor("bn1.bias", 64)
                .addTensor("temperature")
                .addTensor("fc.weight", 10, 64)
                .addTensor("fc.bias", 10);
    }

    private static List<Treatment> treatments(Layers layers) {
        List<Treatment> treatments = new ArrayList<>();
        layers.forEach(layer -> treatments.add(layer.treatment()));
        return treatments;
    }

    private static final Treatment F = Treatment.FULL;
    private static final Treatment P = Treatment.PLAIN;

    @Test
    void layersFollowOneAnother() {
        Layers layers = network().build();
        assertEquals(6, layers.size());
        assertEquals(64 * 147, layers.get(1).offset());
        assertEquals(64, layers.get(1).length());
        assertEquals(layers.get(3).end(), layers.get(4).offset());
        assertEquals(1, layers.get(3).length(), "no dimension is a scalar");
        assertEquals(64 * 147 + 64 + 64 + 1 + 640 + 10, layers.end());
        assertEquals(4, layers.index("fc.weight"));
        assertEquals(List.of(10L, 64L), layers.get(4).shape());
        assertEquals(List.of(7L), Layers.builder().add("a", 7).build().get(0).shape());
    }

    /** Names come from files too. */
    @Test
    void messagesQuoteNamesOnOneLineAndOnlyTheirBeginning() {
        String name = "\u001b[2J\n" + "x".repeat(100_000);
        String quoted = "\"\\u001b[2J\\u000a" + "x".repeat(75) + "\"... (100005 chars)";
        List<Layer> twice = List.of(new Layer(name, 0, List.of(1L), 1, F), new Layer(name, 1, List.of(1L), 1, F));
        List<Layer> over = List.of(new Layer(name, 0, List.of(2L), 2, F), new Layer("b", 1, List.of(1L), 1, F));
        List<Layer> under = List.of(new Layer("a", 0, List.of(2L), 2, F), new Layer(name, 1, List.of(1L), 1, F));
        Map<String, Executable> refused = Map.of(
                "offset of layer " + quoted + " is -1; it must be 0 or more",
                () -> new Layer(name, -1, List.of(1L), 1, F),
                "length of layer " + quoted + " is 2; it must be 1, the product of its shape [1]",
                () -> new Layer(name, 0, List.of(1L), 2, F),
                "length of layer " + quoted + " is 2; at offset 9223372036854775806 it must be at most 1",
                () -> new Layer(name, Long.MAX_VALUE - 1, List.of(2L), 2, F),
                "shape of layer " + quoted + " is [-1]; each dimension must be 0 or more",
                () -> Layers.builder().addTensor(name, -1),
                "shape of layer " + quoted + " is [4294967296, 4294967296]; its product must be at most "
                        + Long.MAX_VALUE,
                () -> Layers.builder().addTensor(name, 1L << 32, 1L << 32),
                "name " + quoted + " is given to two layers; names must be unique",
                () -> new Layers(twice),
                "offset of layer \"b\" is 1; it must not overlap layer " + quoted + " at [0, 2)",
                () -> new Layers(over),
                "offset of layer " + quoted + " is 1; it must not overlap layer \"a\" at [0, 2)",
                () -> new Layers(under));
        refused.forEach((message, bad) -> assertEquals(
                message, assertThrows(IllegalArgumentException.class, bad).getMessage()));
    }

    @Test
    void nothingIsExcludedUnlessAskedFor() {
        assertEquals(List.of(F, F, F, F, F, F), treatments(network().build()));
    }

    @Test
    void aPatternThatMatchesNoLayerIsRefused() {
        Layers.Builder builder = network();
        IllegalArgumentException thrown =
                assertThrows(IllegalArgumentException.class, () -> builder.treat(Pattern.compile("\\.biass$"), P));
        assertEquals(
                "pattern is \"\\.biass$\"; it must match the name of a layer added so far: \"conv1.weight\","
                        + " \"bn1.weight\", \"bn1.bias\" and 3 more",
                thrown.getMessage());
        assertEquals(List.of(F, F, F, F, F, F), treatments(builder.build()));
        assertEquals(
                "pattern is \"c\"; it must match the name of a layer added so far: \"a\", \"b\", \"d\"",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> Layers.builder()
                                        .add("a", 1)
                                        .add("b", 1)
                                        .add("d", 1)
                                        .treat(Pattern.compile("c"), P))
                        .getMessage());
    }

    @Test
    void treatingBeforeAnyLayerIsAddedIsRefused() {
        assertEquals(
                "pattern is \"bias\"; it must match the name of a layer added so far: there is none yet",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> Layers.builder().treat(Pattern.compile("bias"), P))
                        .getMessage());
        assertEquals(
                "treatOneDimensional was called before a layer was added; it treats the layers added so far",
                assertThrows(IllegalStateException.class, () -> Layers.builder().treatOneDimensional(P))
                        .getMessage());
    }

    @Test
    void whereAPatternNeedNotMatch() {
        assertEquals(
                List.of(F, F, F, F, F, F),
                treatments(network()
                        .treatIfPresent(Pattern.compile("nothing of this name"), P)
                        .build()));
        assertEquals(
                List.of(F, P, P, F, F, F),
                treatments(network().treatIfPresent(Pattern.compile("^bn"), P).build()));
        assertEquals(
                List.of(F),
                treatments(Layers.builder()
                        .treatIfPresent(Pattern.compile("a"), P)
                        .add("a", 1)
                        .build()));
        assertEquals(
                List.of(F),
                treatments(Layers.builder()
                        .addTensor("w", 2, 2)
                        .treatOneDimensional(P)
                        .build()));
    }

    /** The example in the builder's documentation. */
    @Test
    void aTreatmentReplacesTheOneBeforeAsAWhole() {
        Treatment slow = F.withRateFactor(0.01);
        Layers.Builder builder = network().treat(Pattern.compile("bias$"), slow).treat(Pattern.compile("^bn"), P);
        assertEquals(List.of(F, P, P, F, F, slow), treatments(builder.build()));
        Treatment both = P.withRateFactor(0.01);
        assertEquals(
                List.of(F, P, both, F, F, slow),
                treatments(builder.treat(Pattern.compile("^bn.*bias$"), both).build()));
    }

    @Test
    void treatmentByName() {
        assertEquals(
                List.of(F, P, P, F, F, P),
                treatments(network().treat(Pattern.compile("^bn|\\.bias$"), P).build()));
    }

    @Test
    void treatmentOfOneDimensionalTensors() {
        assertEquals(
                List.of(F, P, P, P, F, P),
                treatments(network().treatOneDimensional(P).build()));
        IllegalStateException thrown = assertThrows(
                IllegalStateException.class, () -> network().add("flat", 640).treatOneDimensional(P));
        assertTrue(thrown.getMessage().contains("\"flat\""), thrown::getMessage);
    }

    @Test
    void treatmentByHandAndOfTheThreeIndependently() {
        for (boolean decay : new boolean[] {false, true}) {
            for (boolean adapt : new boolean[] {false, true}) {
                for (double factor : new double[] {0, 0.02, 1}) {
                    Treatment treatment = new Treatment(decay, adapt, factor);
                    assertEquals(
                            List.of(F, treatment),
                            treatments(Layers.builder()
                                    .add("a", 1)
                                    .add("b", 1, treatment)
                                    .build()));
                }
            }
        }
    }

    @Test
    void laterTreatmentsWinAndLaterLayersAreNotTreated() {
        Treatment slow = P.withRateFactor(0.01);
        Layers layers = network()
                .treatOneDimensional(P)
                .treat(Pattern.compile("bias"), slow)
                .addTensor("late.bias", 3)
                .build();
        assertEquals(List.of(F, P, slow, P, F, slow, F), treatments(layers));
    }

    @Test
    void gapsAndAnyOrderAreAllowed() {
        Layers layers =
                Layers.builder().at(100).add("b", 10).at(0).add("a", 100).build();
        assertEquals(110, layers.end());
        assertEquals("b", layers.get(0).name(), "indices are those of the order given");
        Layers.builder().at(5).add("empty", 0).at(5).add("a", 1).build();
    }

    @Test
    void placesMayLieBeyondWhatAnArrayHolds() {
        Layers layers = Layers.builder()
                .add("large", 5_000_000_000L)
                .add("next", 3_000_000_000L)
                .build();
        assertEquals(5_000_000_000L, layers.get(1).offset());
        assertEquals(8_000_000_000L, layers.end());
        assertEquals(
                Long.MAX_VALUE,
                Layers.builder().at(1).add("a", Long.MAX_VALUE - 1).build().end());
    }

    @Test
    void overlapsAreRefused() {
        for (long offset : new long[] {0, 5, 9}) {
            IllegalArgumentException thrown = assertThrows(
                    IllegalArgumentException.class,
                    () -> Layers.builder()
                            .at(offset)
                            .add("b", 3)
                            .at(2)
                            .add("a", 8)
                            .build());
            assertTrue(thrown.getMessage().startsWith("offset of layer "), thrown::getMessage);
        }
        Layers.builder().at(10).add("b", 3).at(2).add("a", 8).build();
    }

    @Test
    void equalityIsThatOfTheLayers() {
        assertEquals(network().build(), network().build());
        assertEquals(network().build().hashCode(), network().build().hashCode());
        assertNotEquals(
                network().build().hashCode(), network().add("more", 1).build().hashCode());
        assertNotEquals(network().build(), network().treatOneDimensional(P).build());
        assertFalse(network().build().equals(new Object()));
    }

    @Test
    void aTableOfThem() {
        String table = network().treatOneDimensional(P).build().toString();
        assertEquals(6, table.lines().count());
        assertTrue(table.lines().toList().get(0).matches("conv1.weight +9408 at 0 +decay +adapt +rate x 1.0"), table);
        assertTrue(table.lines().toList().get(5).matches("fc.bias +10 at 10177 +- +- +rate x 1.0"), table);
    }
}
