package io.github.lars4j.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import io.github.lars4j.Format;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The memory of the engine's tensors. {@link NDArray#toByteBuffer(boolean)} gives a tensor's own memory if the tensor lies
 * on the CPU and is contiguous, and otherwise a copy that looks the same: a write to a copy would be lost, so what is
 * written is checked.
 */
final class TensorMemory {

    private static final long MOST_ELEMENTS = Integer.MAX_VALUE / Float.BYTES;

    private TensorMemory() {}

    /** Refuses weights that are not float32 on the CPU. */
    static void requireKind(String name, NDArray weights) {
        if (!"cpu".equals(weights.getDevice().getDeviceType())) {
            throw new IllegalArgumentException("parameter " + name + " is on " + weights.getDevice()
                    + "; LarsOptimizer updates those on the CPU only");
        }
        if (weights.getDataType() != DataType.FLOAT32) {
            throw new IllegalArgumentException(
                    "parameter " + name + " is " + weights.getDataType() + "; it must be float32");
        }
    }

    /**
     * Returns the own memory of weights.
     *
     * @throws IllegalArgumentException if they are not float32, on the CPU and contiguous
     */
    static MemorySegment ofWeights(String name, NDArray weights) {
        requireKind(name, weights);
        if (weights.size() > MOST_ELEMENTS) {
            throw new IllegalArgumentException("parameter " + name + " has " + weights.size()
                    + " elements; it must have at most " + MOST_ELEMENTS + ", as many as a ByteBuffer holds");
        }
        MemorySegment memory = ownOrNull(weights);
        if (memory == null) {
            throw new IllegalArgumentException("parameter " + name + " is not contiguous in memory; it must be");
        }
        return memory;
    }

    /** Returns the address of a tensor's memory, or of a copy if it has none on the CPU that is contiguous. */
    static long address(NDArray array) {
        return memory(array).address();
    }

    /** Returns the tensor's own memory, or {@code null} if it has none that is contiguous. */
    private static MemorySegment ownOrNull(NDArray array) {
        MemorySegment memory = memory(array);
        // A view of a contiguous tensor in another shape begins where the tensor does, one of any other tensor is a
        // copy.
        try (NDArray flat = array.reshape(array.size())) {
            return memory.address() == memory(flat).address() ? memory : null;
        }
    }

    private static MemorySegment memory(NDArray array) {
        ByteBuffer buffer = array.toByteBuffer(true);
        if (!buffer.isDirect() || buffer.order() != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException(
                    "the engine has no direct access to its tensors; LarsOptimizer needs it, as PyTorch on the CPU has it");
        }
        return MemorySegment.ofBuffer(buffer);
    }

    /** Returns the format of a gradient. */
    static Format format(String name, NDArray gradient) {
        if (gradient.isSparse()) {
            throw new IllegalArgumentException("the gradient of parameter " + name + " is sparse; it must be dense");
        }
        return switch (gradient.getDataType()) {
            case FLOAT32 -> Format.FLOAT32;
            case FLOAT16 -> Format.FLOAT16;
            default ->
                throw new IllegalArgumentException("the gradient of parameter " + name + " is " + gradient.getDataType()
                        + "; it must be float32 or float16");
        };
    }

    /** Returns the elements of a tensor, only to be read: a copy, which belongs to its manager, if it is not contiguous. */
    static MemorySegment elements(NDArray array) {
        return memory(array);
    }

    /** Sets the gradient of weights to zero, whatever it contains. */
    static void clearGradient(NDArray weights) {
        // With a manager of its own, which also closes the copy that the engine makes if it is not contiguous.
        try (NDManager scratch = weights.getManager().newSubManager()) {
            NDArray gradient = weights.getGradient();
            gradient.attach(scratch);
            MemorySegment memory = ownOrNull(gradient);
            if (memory != null) {
                memory.fill((byte) 0);
            } else {
                gradient.set(new NDIndex("..."), 0);
            }
        }
    }
}
