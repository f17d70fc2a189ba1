package io.github.lars4j.internal.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Runs code at every depth of the stack, down to its end, in a JVM that must survive it. */
final class DeepStack {

    private static final int STACKS = 200;

    private static int runs;
    private static int overflows;

    private DeepStack() {}

    public static void main(String[] args) throws InterruptedException {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment[] segments = {arena.allocate(8)};
            for (int i = 0; i < STACKS; i++) {
                int shift = i;
                Thread thread = new Thread(null, () -> shifted(shift, segments), "deep", 300_000);
                thread.start();
                thread.join();
            }
        }
        System.out.println(overflows + " overflows, " + (runs > 100 * STACKS ? "many runs" : runs + " runs"));
    }

    /** Begins the descent a little lower on the stack each time. */
    private static void shifted(int calls, MemorySegment[] segments) {
        if (calls > 0) {
            shifted(calls - 1, segments);
            return;
        }
        HoldOpen holdOpen = new HoldOpen();
        try {
            descend(holdOpen, segments);
        } catch (StackOverflowError e) {
            overflows++;
        }
    }

    @SuppressWarnings("InfiniteRecursion")
    private static int descend(HoldOpen holdOpen, MemorySegment[] segments) {
        holdOpen.add(segments);
        holdOpen.run(() -> runs++);
        return 1 + descend(holdOpen, segments);
    }
}
