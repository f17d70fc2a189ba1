package io.github.lars4j.safetensors;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The content of a header: the metadata in the file's order, and the tensors by name. Immutable.
 *
 * @param metadata the strings under {@code __metadata__}
 * @param tensors the tensors; in the header's order until {@link #inDataOrder}
 */
record Header(Map<String, String> metadata, Map<String, TensorInfo> tensors) {
    /** Bytes of the header length that a file begins with. */
    static final int LENGTH_BYTES = 8;
    /** The longest header the reference implementation reads, in bytes. */
    static final int MAX_BYTES = 100_000_000;
    /** The key that holds the metadata, and so can name no tensor. */
    static final String METADATA_KEY = "__metadata__";

    Header {
        metadata = Collections.unmodifiableMap(metadata);
        tensors = Collections.unmodifiableMap(tensors);
    }

    /** Orders the tensors by place and checks that together they cover the data section, every byte once. */
    Header inDataOrder(long dataLength) throws SafeTensorsException {
        List<TensorInfo> ordered = new ArrayList<>(tensors.values());
        // By end as well: an empty tensor comes before the one that begins where it does.
        ordered.sort(Comparator.comparingLong(TensorInfo::begin).thenComparingLong(TensorInfo::end));
        Map<String, TensorInfo> byName = LinkedHashMap.newLinkedHashMap(ordered.size());
        long covered = 0;
        for (TensorInfo tensor : ordered) {
            if (tensor.end() > dataLength) {
                throw misplaced(tensor, "end in 0 to " + dataLength + ", the length of the data section");
            }
            if (tensor.begin() != covered) {
                throw misplaced(
                        tensor,
                        "begin " + covered + ", where the tensors before it end ("
                                + (tensor.begin() < covered ? "overlap" : "gap") + ")");
            }
            covered = tensor.end();
            byName.put(tensor.name(), tensor);
        }
        if (covered != dataLength) {
            throw new SafeTensorsException("the data section has " + dataLength + " bytes, allowed are exactly the "
                    + covered + " bytes that the tensors cover");
        }
        return new Header(metadata, byName);
    }

    private static SafeTensorsException misplaced(TensorInfo tensor, String allowed) {
        return new SafeTensorsException("tensor " + SafeTensorsException.quote(tensor.name()) + ": data_offsets is ["
                + tensor.begin() + ", " + tensor.end() + "], allowed is " + allowed);
    }
}
