package io.github.lars4j.safetensors;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.Arrays;

/** A file in memory that reads and writes at most a few bytes at a time. */
final class TricklingChannel extends FileChannel {
    private byte[] content;
    private final int mostBytes;
    int closed;
    /** The exception that close throws; {@code null} for none. */
    IOException onClose;
    /** The exception that map into an arena throws. */
    IOException onMap;

    TricklingChannel(byte[] content, int mostBytes) {
        this.content = content.clone();
        this.mostBytes = mostBytes;
    }

    byte[] content() {
        return content.clone();
    }

    @Override
    public int read(ByteBuffer target, long position) {
        if (position >= content.length) {
            return -1;
        }
        int count = Math.min(Math.min(mostBytes, target.remaining()), content.length - (int) position);
        target.put(content, (int) position, count);
        return count;
    }

    @Override
    public int write(ByteBuffer source) {
        int count = Math.min(mostBytes, source.remaining());
        byte[] longer = Arrays.copyOf(content, content.length + count);
        source.get(longer, content.length, count);
        content = longer;
        return count;
    }

    @Override
    public long size() {
        return content.length;
    }

    @Override
    public FileChannel truncate(long size) {
        content = Arrays.copyOf(content, (int) size);
        return this;
    }

    @Override
    protected void implCloseChannel() throws IOException {
        closed++;
        if (onClose != null) {
            throw onClose;
        }
    }

    @Override
    public int read(ByteBuffer target) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long read(ByteBuffer[] targets, int offset, int length) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long write(ByteBuffer[] sources, int offset, int length) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int write(ByteBuffer source, long position) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long position() {
        throw new UnsupportedOperationException();
    }

    @Override
    public FileChannel position(long position) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void force(boolean metaData) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long transferTo(long position, long count, WritableByteChannel target) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long position, long count) {
        throw new UnsupportedOperationException();
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long position, long size) {
        throw new UnsupportedOperationException();
    }

    @Override
    public MemorySegment map(MapMode mode, long position, long size, Arena arena) throws IOException {
        throw onMap;
    }

    @Override
    public FileLock lock(long position, long size, boolean shared) {
        throw new UnsupportedOperationException();
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) {
        throw new UnsupportedOperationException();
    }
}
