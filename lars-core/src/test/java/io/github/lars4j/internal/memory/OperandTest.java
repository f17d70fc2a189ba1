package io.github.lars4j.internal.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class OperandTest {

    private static final long HUGE = 3L << 33; // elements

    @Test
    void flatLayersAreAtTheirOffsetsInOneArray() {
        float[] array = new float[100];
        Operand operand = Operand.flat(ElementType.FLOAT32, array, new long[] {3, 40});
        assertTrue(operand.onHeap());
        assertEquals(0, operand.ofEachArena().length);
        assertSame(array, operand.base(0));
        assertSame(array, operand.base(1));
        assertSame(array, operand.array(1));
        assertEquals(3, operand.at(0, 0));
        assertEquals(40, operand.at(1, 0));
        assertEquals(3, operand.at(0, 0));
        assertEquals(57, operand.at(1, 17));
        float[] other = new float[100];
        operand.setArray(other);
        assertSame(other, operand.base(0));
        assertSame(other, operand.array(1));
        assertEquals(57, operand.at(1, 17));
    }

    @Test
    void layersByArrayBeginAtIndexZero() {
        float[][] arrays = {new float[5], new float[0], new float[9]};
        Operand operand = Operand.byLayer(ElementType.FLOAT32, arrays);
        assertTrue(operand.onHeap());
        assertEquals(0, operand.ofEachArena().length);
        for (int layer = 0; layer < 3; layer++) {
            assertSame(arrays[layer], operand.base(layer));
            assertSame(arrays[layer], operand.array(layer));
            assertEquals(0, operand.at(layer, 0));
            assertEquals(4, operand.at(layer, 4));
        }
    }

    @Test
    void layersOutsideTheHeapAreAtTheirAddresses() {
        try (Arena arena = Arena.ofConfined();
                Arena another = Arena.ofShared()) {
            MemorySegment whole = arena.allocate(400, 64);
            MemorySegment[] segments = {whole.asSlice(12, 40), another.allocate(8, 4), whole.asSlice(60, 4)};
            Operand operand = Operand.byLayer(ElementType.FLOAT32, segments);
            assertFalse(operand.onHeap());
            for (int layer = 0; layer < 3; layer++) {
                assertSame(NativeMemory.Access.ALL, operand.base(layer));
                assertEquals(segments[layer].address(), operand.at(layer, 0));
                assertEquals(segments[layer].address() + 4, operand.at(layer, 1));
            }
            assertEquals(whole.address() + 12 + 36, operand.at(0, 9));
            assertEquals(
                    List.of(segments[0], segments[1]),
                    Arrays.asList(operand.ofEachArena()),
                    "the first segment of each arena");
        }
    }

    @Test
    void positionsAreLongs() {
        Operand outside = Operand.byLayer(
                ElementType.FLOAT32, new MemorySegment[] {MemorySegment.ofAddress(1L << 40), MemorySegment.NULL});
        assertEquals((1L << 40) + 4 * HUGE, outside.at(0, HUGE));
        assertEquals(4L * Integer.MAX_VALUE, outside.at(1, Integer.MAX_VALUE));
        assertEquals(4 * (HUGE + 1), outside.at(1, HUGE + 1));
        assertEquals(1, outside.ofEachArena().length, "both are of the global arena");
        Operand flat = Operand.flat(ElementType.FLOAT32, new float[0], new long[] {HUGE});
        assertEquals(2 * HUGE + 5, flat.at(0, HUGE + 5));
    }

    @Test
    void onlyOneLayerMayBeSetAtATime() {
        Operand arrays = Operand.ofOneLayer(ElementType.FLOAT32, 3, true);
        float[] array = new float[4];
        arrays.setArray(array);
        assertTrue(arrays.onHeap());
        assertSame(array, arrays.array(2));
        assertEquals(3, arrays.at(2, 3));
        assertEquals(0, arrays.ofEachArena().length);
        Operand outside = Operand.ofOneLayer(ElementType.FLOAT32, 3, false);
        assertFalse(outside.onHeap());
        for (int layer : new int[] {2, 0}) {
            MemorySegment segment = Arena.ofAuto().allocate(16, 4);
            outside.setSegment(layer, segment);
            assertSame(NativeMemory.Access.ALL, outside.base(layer));
            assertEquals(segment.address() + 12, outside.at(layer, 3));
            assertEquals(List.of(segment), Arrays.asList(outside.ofEachArena()));
        }
    }

    /** Two operands are alongside if one index is right for both. */
    @Test
    void arraysOfOneLayoutAreAlongsideAndSoAreArraysByLayer() {
        long[] offsets = {0, 5};
        Operand flat = Operand.flat(ElementType.FLOAT32, new float[9], offsets);
        Operand sameLayout = Operand.flat(ElementType.FLOAT32, new float[20], offsets);
        Operand otherLayout = Operand.flat(ElementType.FLOAT32, new float[9], new long[] {0, 4});
        Operand byLayer = Operand.byLayer(ElementType.FLOAT32, new float[][] {new float[5], new float[4]});
        Operand otherByLayer = Operand.byLayer(ElementType.FLOAT32, new float[][] {new float[5], new float[4]});
        MemorySegment segment = Arena.ofAuto().allocate(36, 4);
        Operand outside =
                Operand.byLayer(ElementType.FLOAT32, new MemorySegment[] {segment.asSlice(0, 20), segment.asSlice(20)});
        assertAlongside(true, flat, flat);
        assertAlongside(true, flat, sameLayout);
        assertAlongside(false, flat, otherLayout);
        assertAlongside(false, flat, byLayer);
        assertAlongside(true, byLayer, otherByLayer);
        assertAlongside(false, flat, outside);
        assertAlongside(false, byLayer, outside);
        assertAlongside(false, outside, outside);
    }

    private static void assertAlongside(boolean expected, Operand one, Operand other) {
        assertEquals(expected, one.isAlongside(other));
        assertEquals(expected, other.isAlongside(one));
    }

    @Test
    void narrowElementsLieTwoBytesApartOutsideTheHeap() {
        for (ElementType type : new ElementType[] {ElementType.BFLOAT16, ElementType.FLOAT16}) {
            MemorySegment whole = Arena.ofAuto().allocate(100, 64);
            Operand byLayer = Operand.byLayer(type, new MemorySegment[] {whole.asSlice(2, 10), MemorySegment.NULL});
            assertSame(type, byLayer.type());
            assertFalse(byLayer.onHeap());
            assertSame(NativeMemory.Access.ALL, byLayer.base(0));
            assertEquals(whole.address() + 2, byLayer.start(0));
            assertEquals(whole.address() + 2 + 8, byLayer.at(0, 4));
            assertEquals(2 * HUGE, byLayer.at(1, HUGE));
            Operand one = Operand.ofOneLayer(type, 2, false);
            assertSame(type, one.type());
            assertFalse(one.onHeap());
            one.setSegment(1, whole);
            assertEquals(whole.address() + 6, one.at(1, 3));
        }
    }

    @Test
    void narrowArraysHaveIndices() {
        for (ElementType type : new ElementType[] {ElementType.BFLOAT16, ElementType.FLOAT16}) {
            short[] array = new short[9];
            Operand flat = Operand.flat(type, array, new long[] {1, 4});
            assertSame(type, flat.type());
            assertTrue(flat.onHeap());
            assertSame(array, flat.base(1));
            assertEquals(4, flat.start(1));
            assertEquals(6, flat.at(1, 2));
            short[] other = new short[9];
            flat.setArray(other);
            assertSame(other, flat.base(0));
            short[][] arrays = {new short[2], new short[3]};
            Operand byLayer = Operand.byLayer(type, arrays);
            assertSame(arrays[1], byLayer.base(1));
            assertEquals(2, byLayer.at(1, 2));
            Operand one = Operand.ofOneLayer(type, 2, true);
            one.setArray(other);
            assertSame(other, one.base(1));
            assertEquals(5, one.at(1, 5));
        }
    }
}
