package io.github.lars4j.replay;

import io.github.lars4j.safetensors.SafeTensorsException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Parses the JSON of a recording's metadata into {@link Map}, {@link List}, {@link String}, {@link Double} and {@link
 * Boolean}. Strict: no null, no number that is not finite, no key twice, nothing behind the value. For one parse by one
 * thread.
 */
final class Json {

    private static final int MOST_LEVELS = 8;
    private static final Pattern NUMBER = Pattern.compile("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?");

    private final String where;
    private final String text;
    private int at;

    private Json(String where, String text) {
        this.where = where;
        this.text = text;
    }

    /**
     * Parses one value.
     *
     * @param where what {@code text} is, for messages
     * @throws SafeTensorsException if it is not JSON, saying where and why
     */
    static Object parse(String where, String text) throws SafeTensorsException {
        Json json = new Json(where, text);
        Object value = json.value(0);
        json.skipWhiteSpace();
        if (json.at < text.length()) {
            throw json.unexpected("nothing more");
        }
        return value;
    }

    private Object value(int levels) throws SafeTensorsException {
        skipWhiteSpace();
        if (levels > MOST_LEVELS) {
            throw unexpected("at most " + MOST_LEVELS + " levels");
        }
        return switch (peek()) {
            case '{' -> object(levels);
            case '[' -> array(levels);
            case '"' -> string();
            case 't' -> literal("true", Boolean.TRUE);
            case 'f' -> literal("false", Boolean.FALSE);
            default -> number();
        };
    }

    private Map<String, Object> object(int levels) throws SafeTensorsException {
        Map<String, Object> members = new LinkedHashMap<>();
        at++;
        if (!takeIf('}')) {
            do {
                String key = string();
                if (members.containsKey(key)) {
                    throw unexpected("key \"" + key + "\" once only");
                }
                take(':');
                members.put(key, value(levels + 1));
            } while (another('}'));
        }
        return members;
    }

    private List<Object> array(int levels) throws SafeTensorsException {
        List<Object> elements = new ArrayList<>();
        at++;
        if (!takeIf(']')) {
            do {
                elements.add(value(levels + 1));
            } while (another(']'));
        }
        return elements;
    }

    private String string() throws SafeTensorsException {
        take('"');
        StringBuilder string = new StringBuilder();
        while (peek() != '"') {
            char c = peek();
            if (c < ' ') { // the end of the text too
                throw unexpected("a string that goes on, and ends with '\"'");
            }
            at++;
            string.append(c == '\\' ? escaped() : c);
        }
        at++;
        return string.toString();
    }

    private char escaped() throws SafeTensorsException {
        char kind = peek();
        at++;
        return switch (kind) {
            case '"', '\\', '/' -> kind;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> {
                char unit = 0;
                for (int i = 0; i < 4; i++) {
                    int digit = Character.digit(peek(), 16);
                    if (digit < 0) {
                        throw unexpected("4 hexadecimal digits");
                    }
                    unit = (char) (16 * unit + digit);
                    at++;
                }
                yield unit;
            }
            default -> {
                at--;
                throw unexpected("one of \"\\/bfnrtu");
            }
        };
    }

    private Double number() throws SafeTensorsException {
        Matcher number = NUMBER.matcher(text).region(at, text.length());
        if (!number.lookingAt()) {
            throw unexpected("a value (an object, an array, a string, a number, true or false)");
        }
        double value = Double.parseDouble(number.group());
        if (!Double.isFinite(value)) {
            throw unexpected("a number that a double can hold");
        }
        at = number.end();
        return value;
    }

    private Boolean literal(String name, Boolean value) throws SafeTensorsException {
        if (!text.startsWith(name, at)) {
            throw unexpected(name);
        }
        at += name.length();
        return value;
    }

    private boolean another(char close) throws SafeTensorsException {
        if (takeIf(close)) {
            return false;
        }
        take(',');
        return true;
    }

    private void take(char token) throws SafeTensorsException {
        if (!takeIf(token)) {
            throw unexpected("'" + token + "'");
        }
    }

    private boolean takeIf(char token) {
        skipWhiteSpace();
        if (peek() != token) {
            return false;
        }
        at++;
        return true;
    }

    private void skipWhiteSpace() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
            at++;
        }
    }

    /** The current character; U+0000 at the end, which no JSON holds. */
    private char peek() {
        return at < text.length() ? text.charAt(at) : 0;
    }

    private SafeTensorsException unexpected(String expected) {
        String found =
                at < text.length() ? "\"" + text.substring(at, Math.min(at + 20, text.length())) + "\"" : "its end";
        return new SafeTensorsException(where + ": expected " + expected + " at character " + at + ", found " + found);
    }
}
