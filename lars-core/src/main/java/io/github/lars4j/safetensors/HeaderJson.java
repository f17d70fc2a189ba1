package io.github.lars4j.safetensors;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * A parser for the JSON of a header. It accepts only the grammar of headers, so nesting is bounded and there is no
 * recursion. Apart from hashing names, its time is linear in the length of the header. Positions in messages are byte
 * positions in the file. An instance parses one header in one thread.
 */
final class HeaderJson {
    private static final int END = -1;
    private static final int DECODED_CHARS = 1024;

    private final byte[] json;
    private int at;
    private final CharsetDecoder utf8 = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    private final CharBuffer decoded = CharBuffer.allocate(DECODED_CHARS);
    private final StringBuilder text = new StringBuilder();

    private HeaderJson(byte[] json) {
        this.json = json;
    }

    /** Parses a header, which may start and end with white space. The tensors are in the order of the header. */
    static Header parse(byte[] json) throws SafeTensorsException {
        return new HeaderJson(json).header();
    }

    private Header header() throws SafeTensorsException {
        Map<String, String> metadata = null;
        Map<String, TensorInfo> tensors = new LinkedHashMap<>();
        takeToken('{');
        if (!takeIf('}')) {
            do {
                skipWhiteSpace();
                int start = at;
                String name = string("a tensor name");
                takeToken(':');
                if (name.equals(Header.METADATA_KEY)) {
                    refuseDuplicate(metadata != null, start, name);
                    metadata = metadata();
                } else {
                    refuseDuplicate(tensors.containsKey(name), start, name);
                    tensors.put(name, tensor(name, start));
                }
            } while (another('}'));
        }
        skipWhiteSpace();
        if (peek() != END) {
            throw unexpected("only white space after the header's last '}'");
        }
        return new Header(metadata == null ? Map.of() : metadata, tensors);
    }

    /** Parses the metadata; {@code null} in the file means no metadata. */
    private Map<String, String> metadata() throws SafeTensorsException {
        Map<String, String> metadata = new LinkedHashMap<>();
        if (takeIf('n')) {
            for (char c : "ull".toCharArray()) {
                take(c);
            }
            return metadata;
        }
        takeToken('{');
        if (!takeIf('}')) {
            do {
                skipWhiteSpace();
                int start = at;
                String key = string("a metadata key");
                refuseDuplicate(metadata.containsKey(key), start, key);
                takeToken(':');
                skipWhiteSpace();
                metadata.put(key, string("a metadata value, which is a string"));
            } while (another('}'));
        }
        return metadata;
    }

    private TensorInfo tensor(String name, int start) throws SafeTensorsException {
        Dtype dtype = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        takeToken('{');
        if (!takeIf('}')) {
            do {
                skipWhiteSpace();
                int fieldStart = at;
                String field = string("a tensor's field");
                takeToken(':');
                switch (field) {
                    case "dtype" -> {
                        refuseDuplicate(dtype != null, fieldStart, field);
                        dtype = dtype(name);
                    }
                    case "shape" -> {
                        refuseDuplicate(shape != null, fieldStart, field);
                        shape = integers("a dimension");
                    }
                    case "data_offsets" -> {
                        refuseDuplicate(offsets != null, fieldStart, field);
                        offsets = integers("a data offset");
                    }
                    default ->
                        throw malformed(
                                fieldStart,
                                "tensor " + SafeTensorsException.quote(name) + ": field is "
                                        + SafeTensorsException.quote(field)
                                        + "; it must be \"dtype\", \"shape\" or \"data_offsets\"");
                }
            } while (another('}'));
        }
        if (dtype == null || shape == null || offsets == null) {
            String missing = dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets";
            throw malformed(start, "tensor " + SafeTensorsException.quote(name) + " has no \"" + missing + "\"");
        }
        if (offsets.size() != 2) {
            throw malformed(
                    start,
                    "tensor " + SafeTensorsException.quote(name) + ": data_offsets has " + offsets.size()
                            + " numbers; it must have 2");
        }
        try {
            return new TensorInfo(name, dtype, shape, offsets.get(0), offsets.get(1));
        } catch (IllegalArgumentException e) {
            throw new SafeTensorsException(place(start) + e.getMessage(), e);
        }
    }

    private Dtype dtype(String tensor) throws SafeTensorsException {
        skipWhiteSpace();
        int start = at;
        String name = string("a dtype, which is a string");
        Optional<Dtype> dtype = Dtype.named(name);
        if (dtype.isEmpty()) {
            throw malformed(
                    start,
                    "tensor " + SafeTensorsException.quote(tensor) + ": dtype is " + SafeTensorsException.quote(name)
                            + "; it must be one of " + List.of(Dtype.values()));
        }
        return dtype.get();
    }

    private List<Long> integers(String what) throws SafeTensorsException {
        List<Long> integers = new ArrayList<>();
        takeToken('[');
        if (!takeIf(']')) {
            do {
                skipWhiteSpace();
                integers.add(integer(what));
            } while (another(']'));
        }
        return integers;
    }

    private long integer(String what) throws SafeTensorsException {
        int start = at;
        long value = 0;
        while (isDigit(peek())) {
            int digit = peek() - '0';
            if (value > (Long.MAX_VALUE - digit) / 10) {
                throw malformed(start, what + " is too large; it must be in [0, " + Long.MAX_VALUE + "]");
            }
            value = 10 * value + digit;
            at++;
        }
        if (at == start) {
            throw unexpected(what + ", a plain integer in 0 to " + Long.MAX_VALUE);
        }
        if (at - start > 1 && json[start] == '0') {
            throw malformed(start, what + " begins with a 0; it must be a plain integer");
        }
        if (peek() == '.' || peek() == 'e' || peek() == 'E') {
            throw unexpected(what + " without fraction and exponent");
        }
        return value;
    }

    private String string(String what) throws SafeTensorsException {
        if (peek() != '"') {
            throw unexpected(what);
        }
        at++;
        text.setLength(0);
        int plain = at;
        while (true) {
            int b = peek();
            if (b == '"') {
                decode(plain);
                at++;
                return text.toString();
            } else if (b == '\\') {
                decode(plain);
                escape();
                plain = at;
            } else if (b < 0x20) { // the header's end too
                throw unexpected(what + " to continue with a character from U+0020 on");
            } else {
                at++;
            }
        }
    }

    /** Appends the UTF-8 from {@code start} to the current byte. */
    private void decode(int start) throws SafeTensorsException {
        ByteBuffer bytes = ByteBuffer.wrap(json, start, at - start);
        utf8.reset();
        CoderResult result;
        do {
            decoded.clear();
            result = utf8.decode(bytes, decoded, true);
            text.append(decoded.flip());
        } while (result.isOverflow());
        if (result.isError()) {
            throw malformed(bytes.position(), "a string is not UTF-8");
        }
    }

    private void escape() throws SafeTensorsException {
        int start = at;
        at++;
        int kind = peek();
        switch (kind) {
            case '"', '\\', '/' -> text.append((char) kind);
            case 'b' -> text.append('\b');
            case 'f' -> text.append('\f');
            case 'n' -> text.append('\n');
            case 'r' -> text.append('\r');
            case 't' -> text.append('\t');
            case 'u' -> {
                at++;
                escapedUnit(start);
                return;
            }
            default -> throw unexpected("one of \"\\/bfnrtu after '\\'");
        }
        at++;
    }

    /**
     * Parses the digits of a Unicode escape that begins at {@code start}, and the escape of a low surrogate if one
     * must follow, and appends the character.
     */
    private void escapedUnit(int start) throws SafeTensorsException {
        char first = hex4();
        text.append(first);
        if (Character.isHighSurrogate(first) && peek() == '\\') {
            at++;
            if (peek() == 'u') {
                at++;
                char second = hex4();
                if (Character.isLowSurrogate(second)) {
                    text.append(second);
                    return;
                }
            }
        }
        if (Character.isSurrogate(first)) {
            throw malformed(start, "a surrogate is unpaired; a high one must precede a low one");
        }
    }

    private char hex4() throws SafeTensorsException {
        int unit = 0;
        for (int i = 0; i < 4; i++) {
            int b = peek();
            // Character.digit accepts digits of other scripts too, but none of them fits in a byte.
            int digit = b == END ? -1 : Character.digit((char) b, 16);
            if (digit < 0) {
                throw unexpected("4 hexadecimal digits");
            }
            unit = 16 * unit + digit;
            at++;
        }
        return (char) unit;
    }

    /** Consumes a ',' and returns true, or consumes {@code close} and returns false. */
    private boolean another(char close) throws SafeTensorsException {
        if (takeIf(',')) {
            return true;
        }
        if (takeIf(close)) {
            return false;
        }
        throw unexpected("',' or '" + close + "'");
    }

    private boolean takeIf(char token) {
        skipWhiteSpace();
        if (peek() != token) {
            return false;
        }
        at++;
        return true;
    }

    private void takeToken(char token) throws SafeTensorsException {
        skipWhiteSpace();
        take(token);
    }

    private void take(char token) throws SafeTensorsException {
        if (peek() != token) {
            throw unexpected("'" + token + "'");
        }
        at++;
    }

    private void skipWhiteSpace() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
            at++;
        }
    }

    private int peek() {
        return at < json.length ? json[at] & 0xff : END;
    }

    private static boolean isDigit(int b) {
        return b >= '0' && b <= '9';
    }

    private void refuseDuplicate(boolean duplicate, int position, String key) throws SafeTensorsException {
        if (duplicate) {
            throw malformed(position, "key " + SafeTensorsException.quote(key) + " occurs twice; it must occur once");
        }
    }

    private SafeTensorsException unexpected(String expected) {
        int b = peek();
        String found = b == END
                ? "the header's end"
                : b > 0x20 && b < 0x7f ? "'" + (char) b + "'" : String.format(Locale.ROOT, "byte 0x%02x", b);
        return malformed(at, "expected " + expected + ", found " + found);
    }

    private static SafeTensorsException malformed(int position, String problem) {
        return new SafeTensorsException(place(position) + problem);
    }

    private static String place(int position) {
        return "header, at byte " + ((long) Header.LENGTH_BYTES + position) + " of the file: ";
    }
}
