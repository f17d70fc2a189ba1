package io.github.lars4j.safetensors;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.Map;

/** Segments on the heap and outside it, at all alignments, with canaries before and behind. */
final class Places {

    private static final byte CANARY = 0x5a;
    private static final int CANARIES = 16;
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

    private final Map<String, Place> places = new LinkedHashMap<>();

    /** A segment within a longer one. */
    record Place(MemorySegment whole, long begin, MemorySegment segment) {

        void assertCanaries(String what) {
            for (long at = 0; at < whole.byteSize(); at++) {
                if (at < begin || at >= begin + segment.byteSize()) {
                    long byteAt = at;
                    assertEquals(CANARY, whole.get(BYTE, at), () -> what + ": the canary at byte " + byteAt);
                }
            }
        }
    }

    /** Allocates segments of this size. The native ones belong to the arena. */
    Places(int byteSize, Arena arena) {
        int room = byteSize + 2 * CANARIES;
        for (int shift = 0; shift < 4; shift++) {
            add("byte[]", MemorySegment.ofArray(new byte[room]), shift, byteSize);
            add("float[]", MemorySegment.ofArray(new float[room / 4 + 1]), shift, byteSize);
            add("long[]", MemorySegment.ofArray(new long[room / 8 + 1]), shift, byteSize);
            add("native", arena.allocate(room, 8), shift, byteSize);
        }
    }

    private void add(String name, MemorySegment whole, int shift, int byteSize) {
        whole.fill(CANARY);
        long begin = CANARIES / 2L + shift;
        places.put(name + " + " + shift, new Place(whole, begin, whole.asSlice(begin, byteSize)));
    }

    /** Returns the segments by a name for messages. */
    Map<String, Place> byName() {
        return places;
    }
}
