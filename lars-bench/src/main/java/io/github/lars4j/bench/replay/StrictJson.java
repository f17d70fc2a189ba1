package io.github.lars4j.bench.replay;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;
import io.github.lars4j.safetensors.SafeTensorsException;
import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Parses the JSON of a recording's metadata into {@link Map}, {@link List}, {@link String}, {@link Double} and {@link
 * Boolean}. Beyond what the grammar of JSON forbids, it refuses null, a number that is not finite as a double, a key that
 * an object has twice, and more than 8 levels.
 */
final class StrictJson {

    private static final int MOST_LEVELS = 8;

    private StrictJson() {}

    /**
     * Parses one value.
     *
     * @param where what {@code text} is, for messages
     * @throws SafeTensorsException if it is malformed; the message begins with {@code where} and says where and why
     */
    static Object parse(String where, String text) throws SafeTensorsException {
        JsonReader reader = new JsonReader(new StringReader(text));
        reader.setStrictness(Strictness.STRICT);
        reader.setNestingLimit(MOST_LEVELS);
        try {
            Object value = value(reader);
            // Nothing is left to skip: the reader refuses a second value.
            reader.skipValue();
            return value;
        } catch (IOException e) {
            throw new SafeTensorsException(where + ": it is malformed at " + reader.getPath() + ": " + reason(e), e);
        }
    }

    /** What Gson says, but for its advice to programmers and its place in the text, of which the path tells more. */
    private static String reason(IOException e) {
        String message = e.getMessage().replaceFirst("(?s) at line [0-9]+ column .*", "");
        return message.startsWith("Use JsonReader") ? "no JSON value or token that may stand there" : message;
    }

    private static Object value(JsonReader reader) throws IOException {
        JsonToken token = reader.peek();
        return switch (token) {
            case BEGIN_OBJECT -> object(reader);
            case BEGIN_ARRAY -> array(reader);
            case STRING -> reader.nextString();
            case NUMBER -> reader.nextDouble();
            case BOOLEAN -> reader.nextBoolean();
            default -> throw new MalformedJsonException("null is not allowed");
        };
    }

    private static Map<String, Object> object(JsonReader reader) throws IOException {
        Map<String, Object> members = new LinkedHashMap<>();
        reader.beginObject();
        while (reader.hasNext()) {
            String key = reader.nextName();
            if (members.put(key, value(reader)) != null) {
                throw new MalformedJsonException("an object has key \"" + key + "\" twice");
            }
        }
        reader.endObject();
        return members;
    }

    private static List<Object> array(JsonReader reader) throws IOException {
        List<Object> elements = new ArrayList<>();
        reader.beginArray();
        while (reader.hasNext()) {
            elements.add(value(reader));
        }
        reader.endArray();
        return elements;
    }
}
