package io.github.lars4j.safetensors;

import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/** A channel that accepts no bytes and throws no exception. */
public final class FullChannel implements WritableByteChannel {

    @Override
    public int write(ByteBuffer source) {
        return 0;
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public void close() {}
}
