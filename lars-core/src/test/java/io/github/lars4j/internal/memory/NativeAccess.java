package io.github.lars4j.internal.memory;

import io.github.lars4j.internal.kernel.KernelSource;
import io.github.lars4j.internal.kernel.KernelWish;
import io.github.lars4j.internal.passes.BlockKernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Prints what a JVM does that denies native access; with an argument, only what it does with arrays. */
final class NativeAccess {

    private NativeAccess() {}

    @SuppressWarnings({"MustBeClosedChecker", "ReferenceEquality"}) // a closed arena, and the same segment
    public static void main(String[] args) {
        if (args.length > 0) {
            new BlockKernels(KernelSource.open(new KernelWish(KernelWish.Wanted.SCALAR, "a test")), 1)
                    .toMeasure(
                            Operand.flat(ElementType.FLOAT32, new float[5], new long[] {1}),
                            Operand.byLayer(ElementType.FLOAT32, new float[][] {new float[4]}));
            new HoldOpen().run(() -> System.out.println("arrays, layout " + NativeMemory.FLOAT));
            return;
        }
        System.out.println("allowed " + NativeMemory.isAllowed() + ", all " + NativeMemory.Access.ALL);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment[] segments = {arena.allocate(64, 4).asSlice(8), arena.allocate(16, 4)};
            Operand operand = Operand.byLayer(ElementType.FLOAT32, segments);
            System.out.println("own bases " + (operand.base(0) == segments[0] && operand.base(1) == segments[1])
                    + ", positions " + operand.at(0, 3) + " " + operand.at(1, 0) + ", arenas "
                    + operand.ofEachArena().length);
            Operand one = Operand.ofOneLayer(ElementType.FLOAT32, 2, false);
            one.setSegment(1, segments[0]);
            System.out.println("own base " + (one.base(1) == segments[0]) + ", position " + one.at(1, 3));
            HoldOpen holdOpen = new HoldOpen();
            Arena closed = Arena.ofShared();
            holdOpen.add(new MemorySegment[] {closed.allocate(4)});
            closed.close();
            holdOpen.run(() -> System.out.println("runs, and holds nothing open"));
            holdOpen.add(segments);
            try {
                holdOpen.run(() -> {
                    throw new IllegalArgumentException("of the code");
                });
            } catch (IllegalArgumentException e) {
                System.out.println("thrown " + e.getMessage());
            }
        }
    }
}
