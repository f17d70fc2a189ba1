package io.github.lars4j.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Builds files, valid or not, from the text of a header and data, without using the writer. */
final class RawFiles {
    private RawFiles() {}

    static byte[] bytes(String header, int... data) {
        return bytes(header.getBytes(StandardCharsets.UTF_8), data);
    }

    static byte[] bytes(byte[] header, int... data) {
        return bytes(header.length, header, data);
    }

    static byte[] bytes(long headerLength, byte[] header, int... data) {
        ByteBuffer file = ByteBuffer.allocate(8 + header.length + data.length).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(headerLength).put(header);
        for (int b : data) {
            file.put((byte) b);
        }
        return file.array();
    }

    static SafeTensorsFile open(Path directory, byte[] content) throws IOException {
        return SafeTensorsFile.open(Files.write(directory.resolve("f.safetensors"), content));
    }

    /** Returns the entry of a tensor in a header. */
    static String entry(String name, String dtype, String shape, String offsets) {
        return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets
                + "}";
    }
}
