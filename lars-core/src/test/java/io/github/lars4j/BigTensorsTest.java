package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A layer of more than 2³¹ elements in one segment, at offsets below and above 2³¹. Weights and gradients are sparse
 * files that are mapped; the steps fill that of the weights, which takes 8 GiB on disk. The optimizer's own momentum takes
 * 8 GiB outside the heap.
 */
@Tag("slow")
class BigTensorsTest {

    private static final long MOST_INT = 1L << 31;
    private static final long OFFSET = 1000;
    private static final long LENGTH = MOST_INT + 5000;

    private static final Layers LAYERS = Layers.builder()
            .add("small", OFFSET)
            .add("huge", LENGTH)
            .at(OFFSET + LENGTH + 3)
            .add("last", 77)
            .build();

    /** Elements of the segment: all in the huge layer, at both sides of the 2³¹st of the segment and of the layer. */
    private static final long[] PLACES = {
        OFFSET,
        MOST_INT / 2,
        MOST_INT - 1,
        MOST_INT,
        MOST_INT + 1,
        OFFSET + MOST_INT - 1,
        OFFSET + MOST_INT,
        OFFSET + MOST_INT + 1,
        OFFSET + LENGTH - 1
    };

    @Test
    void aLayerOfMoreThanTwoToThe31Elements() {
        try (Arena arena = Arena.ofShared();
                Lars lars = Lars.builder(LAYERS)
                        .learningRate(0.25)
                        .trustCoefficient(1)
                        .momentum(0.5)
                        .nativeMomentum(true)
                        .parallelism(2)
                        .build()) {
            long bytes = LAYERS.end() * Float.BYTES;
            MemorySegment weights = Memory.mapped(bytes, arena);
            MemorySegment gradients = Memory.mapped(bytes, arena);
            long last = LAYERS.end() - 1;
            for (long place : PLACES) {
                set(weights, place, 2);
                set(gradients, place, 1);
            }
            set(weights, last, 3);
            set(gradients, last, 1);
            for (long gap = 1; gap <= 3; gap++) {
                set(weights, OFFSET + LENGTH + gap - 1, 5);
            }

            StepReport report = lars.step(Tensors.flat(weights), Tensors.flat(gradients));
            assertEquals(6, report.weightNorm(1));
            assertEquals(3, report.gradientNorm(1));
            assertEquals(2, report.trustRatio(1));
            assertEquals(3, report.trustRatio(2));
            for (long place : PLACES) {
                assertEquals(1.5f, get(weights, place), "element " + place);
                assertEquals(1, get(gradients, place), "element " + place);
            }
            assertEquals(2.25f, get(weights, last));
            for (long gap = 1; gap <= 3; gap++) {
                assertEquals(5, get(weights, OFFSET + LENGTH + gap - 1));
            }

            for (long place : PLACES) {
                assertEquals(0.5f, get(Inside.momentumOf(lars, 1), place - OFFSET), "element " + place);
            }

            // The norms would show any element that was written by mistake.
            report = lars.step(byLayer(weights), byLayer(gradients));
            assertEquals(0, report.weightNorm(0));
            assertEquals(4.5, report.weightNorm(1));
            assertEquals(3, report.gradientNorm(1));
            assertEquals(2.25, report.weightNorm(2));
            for (long place : PLACES) {
                // 1.5 - (0.5 * 0.5 + 0.25 * 1.5)
                assertEquals(0.875f, get(weights, place), "element " + place);
                assertEquals(0.625f, get(Inside.momentumOf(lars, 1), place - OFFSET), "element " + place);
            }
            assertEquals(1.3125f, get(weights, last));
        }
    }

    private static Tensors byLayer(MemorySegment whole) {
        MemorySegment[] segments = new MemorySegment[LAYERS.size()];
        for (int i = 0; i < segments.length; i++) {
            Layer layer = LAYERS.get(i);
            segments[i] = whole.asSlice(layer.offset() * Float.BYTES, layer.length() * Float.BYTES);
        }
        return Tensors.byLayer(segments);
    }

    private static float get(MemorySegment segment, long index) {
        return segment.getAtIndex(ValueLayout.JAVA_FLOAT, index);
    }

    private static void set(MemorySegment segment, long index, float value) {
        segment.setAtIndex(ValueLayout.JAVA_FLOAT, index, value);
    }
}
