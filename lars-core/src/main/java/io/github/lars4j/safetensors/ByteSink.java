package io.github.lars4j.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;

/** Receives the bytes of a file in order and in chunks, for example to compute a checksum. */
@FunctionalInterface
public interface ByteSink {
    /**
     * Receives the next bytes.
     *
     * @param chunk the bytes from its position to its limit, 1 to 65,536. The buffer is reused after the call
     * @throws IOException if the sink fails; this ends the copying
     */
    void accept(ByteBuffer chunk) throws IOException;
}
