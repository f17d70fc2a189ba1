package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.stream.Stream;

/** Hashes and comparisons that show whether a state has changed by a single bit. */
final class Bits {

    private Bits() {}

    /** Returns a SHA-256 over the whole state of an optimizer and some arrays. */
    static String of(Lars lars, float[]... arrays) {
        return of(lars.snapshot(), arrays);
    }

    static String of(Snapshot snapshot, float[]... arrays) {
        State state = snapshot.state();
        MessageDigest digest = sha256();
        ByteBuffer numbers = ByteBuffer.allocate(24 + 17 * state.layers().size());
        numbers.putInt(state.layers().hashCode()).putInt(state.hyperparameters().hashCode());
        numbers.putLong(state.step).putLong(state.refusals);
        for (int i = 0; i < state.layers().size(); i++) {
            numbers.put((byte) (state.begun[i] ? 1 : 0))
                    .putDouble(state.learningRates[i])
                    .putDouble(state.trustRatios[i]);
        }
        digest.update(numbers.array());
        if (state.momentum != null) {
            digest.update(bytes(Inside.flat(state)));
        }
        for (float[] array : arrays) {
            digest.update(bytes(array));
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** Returns the names and values of an object's fields as text, with the elements of arrays. */
    static String fields(Object object) throws IllegalAccessException {
        StringBuilder text = new StringBuilder();
        for (Field field : object.getClass().getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers())) {
                field.setAccessible(true);
                String value = Arrays.deepToString(new Object[] {field.get(object)});
                text.append(field.getName()).append(' ').append(value).append('\n');
            }
        }
        return text.toString();
    }

    /** Returns the name of every file of a folder and a SHA-256 over its content. */
    static String files(Path folder) throws IOException {
        StringBuilder text = new StringBuilder();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.sorted().toList()) {
                text.append(file.getFileName()).append(' ');
                text.append(
                        Files.isDirectory(file)
                                ? "[" + files(file) + "]"
                                : HexFormat.of().formatHex(sha256().digest(Files.readAllBytes(file))));
                text.append('\n');
            }
        }
        return text.toString();
    }

    private static byte[] bytes(float[] array) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * array.length);
        for (float value : array) {
            bytes.putInt(Float.floatToIntBits(value));
        }
        return bytes.array();
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Asserts that the bits are equal; all NaNs count as equal. */
    static void assertSame(float[] expected, float[] actual, String what) {
        assertEquals(expected.length, actual.length, what);
        for (int i = 0; i < expected.length; i++) {
            if (Float.floatToIntBits(expected[i]) != Float.floatToIntBits(actual[i])) {
                assertEquals(expected[i], actual[i], what + " at " + i);
            }
        }
    }
}
