package io.github.lars4j.safetensors;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The content of a header. Immutable.
 *
 * @param metadata the strings under {@code __metadata__}, in the order of the header
 * @param tensors the tensors by name, in the order of the header or, after {@link #inDataOrder}, of the data
 */
record Header(Map<String, String> metadata, Map<String, TensorInfo> tensors) {
    /** The size of the header length at the start of a file, in bytes. */
    static final int LENGTH_BYTES = 8;
    /** The maximum length of a header that the reference implementation reads, in bytes. */
    static final int MAX_BYTES = 100_000_000;
    /** The key of the metadata, which therefore cannot be the name of a tensor. */
    static final String METADATA_KEY = "__metadata__";

    Header {
        metadata = Collections.unmodifiableMap(metadata);
        tensors = Collections.unmodifiableMap(tensors);
    }

    /** Sorts the tensors by position and checks that they cover every byte of the data section exactly once. */
    Header inDataOrder(long dataLength) throws SafeTensorsException {
        List<TensorInfo> ordered = new ArrayList<>(tensors.values());
        // Also by end, so that an empty tensor precedes the tensor that begins at the same position.
        ordered.sort(Comparator.comparingLong(TensorInfo::begin).thenComparingLong(TensorInfo::end));
        Map<String, TensorInfo> byName = LinkedHashMap.newLinkedHashMap(ordered.size());
        long covered = 0;
        for (TensorInfo tensor : ordered) {
            if (tensor.end() > dataLength) {
                throw misplaced(tensor, "end at or before " + dataLength + ", the length of the data section");
            }
            if (tensor.begin() != covered) {
                throw misplaced(
                        tensor,
                        "begin at " + covered + ", where the tensors before it end ("
                                + (tensor.begin() < covered ? "overlap" : "gap") + ")");
            }
            covered = tensor.end();
            byName.put(tensor.name(), tensor);
        }
        if (covered != dataLength) {
            throw new SafeTensorsException("the data section has " + dataLength + " bytes; it must have exactly the "
                    + covered + " bytes that the tensors cover");
        }
        return new Header(metadata, byName);
    }

    private static SafeTensorsException misplaced(TensorInfo tensor, String must) {
        return new SafeTensorsException("tensor " + SafeTensorsException.quote(tensor.name()) + ": data_offsets is ["
                + tensor.begin() + ", " + tensor.end() + "]; it must " + must);
    }
}
