package io.github.lars4j.internal.memory;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.nio.ByteOrder;
import java.util.Arrays;

/** How memory outside the heap is reached, if native access is allowed. */
public final class NativeMemory {

    /** The layouts and the byte order of an element. */
    public static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    public static final ByteOrder ORDER = ByteOrder.nativeOrder();

    /** The number of segments that one call of {@link Access#CALL} keeps open. */
    static final int ARGUMENTS = 8;

    private NativeMemory() {}

    /** Returns whether the native kernels can run. */
    public static boolean isAllowed() {
        return Access.ALL != null;
    }

    /**
     * What needs native access. The JVM may print a warning when this class is initialized, so this happens only if there
     * are tensors outside the heap.
     *
     * <p>The native kernels reach them through {@link #ALL}. An access through the caller's own segment would be slower:
     * after every store, the JIT would check again whether the segment is still open (measured: 1.3 to 2.6 times as slow).
     * An access through {@code ALL} checks nothing, so {@link HoldOpen} keeps the caller's segments open meanwhile.
     */
    public static final class Access {

        /** All memory as one segment, in which an offset is an address; {@code null} if native access is denied. */
        public static final MemorySegment ALL;

        /**
         * A native function that takes {@link #ARGUMENTS} pointers and calls {@link HoldOpen#called}; {@code null} as
         * above.
         */
        static final MethodHandle CALL;

        static {
            MemorySegment all = null;
            MethodHandle call = null;
            try {
                all = all();
                call = call();
            } catch (IllegalCallerException | UnsupportedOperationException e) {
                all = null;
                System.getLogger("io.github.lars4j")
                        .log(
                                Level.INFO,
                                "tensors outside the heap are copied block by block, which is slower: " + e.getMessage()
                                        + "; add --enable-native-access=ALL-UNNAMED, or =io.github.lars4j on the module"
                                        + " path, to the java command");
            }
            ALL = all;
            CALL = call;
        }

        private Access() {}

        @SuppressWarnings("restricted")
        private static MemorySegment all() {
            return MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
        }

        /**
         * Returns a method handle of a native function whose code is an upcall to {@link HoldOpen#called}. A segment that is
         * passed to a native function cannot be closed until the function returns. The upcall takes the pointers as numbers,
         * which are passed in the same way: as pointers, they would be new segments in every call.
         */
        @SuppressWarnings("restricted")
        private static MethodHandle call() {
            ValueLayout[] pointers = new ValueLayout[ARGUMENTS];
            ValueLayout[] numbers = new ValueLayout[ARGUMENTS];
            Arrays.fill(pointers, ValueLayout.ADDRESS);
            Arrays.fill(numbers, ValueLayout.JAVA_LONG);
            FunctionDescriptor upcall = FunctionDescriptor.ofVoid(numbers);
            try {
                MethodHandle called =
                        MethodHandles.lookup().findStatic(HoldOpen.class, "called", upcall.toMethodType());
                Linker linker = Linker.nativeLinker();
                MemorySegment function = linker.upcallStub(called, upcall, Arena.global());
                return linker.downcallHandle(function, FunctionDescriptor.ofVoid(pointers));
            } catch (ReflectiveOperationException e) {
                throw new LinkageError("HoldOpen.called is missing", e);
            }
        }
    }
}
