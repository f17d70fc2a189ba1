package io.github.lars4j.bench.arms;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.Layers;
import io.github.lars4j.rule.Treatment;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LayoutsTest {

    /** As torchvision counts the parameters of its models. */
    @Test
    void networksHaveAsManyParametersAsTheModels() {
        Map<String, Long> expected = Map.of(
                "resnet50", 25_557_032L,
                "alexnet", 61_100_840L,
                "vgg16", 138_357_544L,
                "vit_b_16", 86_567_656L,
                "mobilenet_v2", 3_504_872L);
        for (String name : Layouts.NETWORKS) {
            assertEquals(expected.get(name), Layouts.named(name).end(), name);
        }
        assertEquals(161, Layouts.named("resnet50").size());
    }

    @Test
    void oneDimensionalTensorsArePlain() {
        Layers layers = Layouts.parse("list", List.of("w 3x2 6", "b 3 3"));
        assertEquals(Treatment.FULL, layers.get(0).treatment());
        assertEquals(Treatment.PLAIN, layers.get(1).treatment());
        assertEquals(6, layers.get(1).offset());
    }

    @Test
    void uniformLayoutsAreElementsByLayers() {
        Layers layers = Layouts.named("4096x100");
        assertEquals(100, layers.size());
        assertEquals(4096, layers.get(99).length());
        assertEquals(Treatment.FULL, layers.get(99).treatment());
    }

    @Test
    void badLinesAreNamedByNumber() {
        for (String line : List.of("w 3x2", "w 3x2 7", "w 3xa 6", "w 3x2 6 6", "", "w 4294967296x4294967296 0")) {
            IllegalArgumentException e = assertThrows(
                    IllegalArgumentException.class, () -> Layouts.parse("list", List.of("v 1 1", line)), line);
            assertTrue(e.getMessage().startsWith("list has \"" + line + "\" in line 2: "), e.getMessage());
        }
    }

    @Test
    void otherNamesAreRefusedWithTheNamesThatThereAre() {
        for (String name : List.of("resnet51", "", "0x1", "1x0", "4096x", "../alexnet", "99999999999x1")) {
            IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> Layouts.named(name), name);
            assertTrue(
                    e.getMessage().contains("\"" + name + "\"")
                            && e.getMessage().contains("resnet50"),
                    e.getMessage());
        }
    }
}
