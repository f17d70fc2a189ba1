package io.github.lars4j.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;

/** Takes a file's bytes, in order and piece by piece; for a checksum, say. */
@FunctionalInterface
public interface ByteSink {
    /**
     * Takes the next bytes.
     *
     * @param chunk the bytes from its position to its limit, at most 64 KiB and at least 1. Its content is overwritten
     *     after the call
     * @throws IOException if the sink cannot take them; this ends the copying
     */
    void accept(ByteBuffer chunk) throws IOException;
}
