package io.github.lars4j.safetensors;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/**
 * Thrown if a safetensors file is malformed or truncated.
 *
 * <p>The message says what is wrong, where (the name of the tensor or the byte position in the file) and what is
 * allowed. It quotes only the beginning of long names, so that a hostile file cannot flood a log.
 */
public final class SafeTensorsException extends IOException {
    private static final long serialVersionUID = 1L;

    private static final int QUOTED_CHARS = 80;
    private static final int QUOTED_DIMENSIONS = 8;

    /**
     * Creates an exception.
     *
     * @param message what is wrong, where, and what is allowed
     */
    public SafeTensorsException(String message) {
        super(message);
    }

    /**
     * Creates an exception with a cause.
     *
     * @param message what is wrong, where, and what is allowed
     * @param cause the cause
     */
    public SafeTensorsException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * Quotes a string from a file for a message: on one line, shortened if it is long, with control characters escaped.
     *
     * @param text any string
     * @return the quoted string
     * @throws NullPointerException if {@code text} is {@code null}
     */
    public static String quote(String text) {
        Objects.requireNonNull(text, "text");
        StringBuilder quoted = new StringBuilder("\"");
        for (int i = 0; i < Math.min(text.length(), QUOTED_CHARS); i++) {
            char c = text.charAt(i);
            if (Character.isLetterOrDigit(c) || (c >= 0x20 && c < 0x7f)) {
                quoted.append(c);
            } else {
                quoted.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
            }
        }
        quoted.append('"');
        return text.length() <= QUOTED_CHARS
                ? quoted.toString()
                : quoted.append("... (").append(text.length()).append(" chars)").toString();
    }

    /** Formats a shape for a message, shortened if it has many dimensions. */
    static String quote(List<Long> shape) {
        return shape.size() <= QUOTED_DIMENSIONS
                ? shape.toString()
                : shape.subList(0, QUOTED_DIMENSIONS) + "... (" + shape.size() + " dimensions)";
    }
}
