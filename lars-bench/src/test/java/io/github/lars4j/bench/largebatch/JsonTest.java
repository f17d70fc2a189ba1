package io.github.lars4j.bench.largebatch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class JsonTest {

    @Test
    void readsWhatItWrites() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("text", "a \"quoted\" \\ line\nand \u0001");
        map.put("numbers", List.of(1.5, -2e-7, 0.1 + 0.2, 3.0));
        map.put("deep", List.of(Map.of("yes", true), Map.of("no", false), List.of(List.of())));
        map.put("nothing", null);
        map.put("empty", Map.of());
        assertEquals(map, Json.parse(Json.write(map)));
    }

    @Test
    void writesWhatOthersRead() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("plan", List.of(256, 1024L));
        map.put("runs", List.of(Map.of("losses", Arrays.asList(2.5, Double.NaN))));
        assertEquals("""
                {
                  "plan": [
                    256,
                    1024
                  ],
                  "runs": [
                    {"losses": [2.5, null]}
                  ]
                }
                """, Json.write(map));
    }

    @Test
    void refusesWhatIsNotJson() {
        for (String text :
                new String[] {"", "{", "[1", "[1 2]", "{\"a\" 1}", "{\"a\": }", "\"a", "\"\\u12\"", "tru", "1 2"}) {
            assertThrows(IllegalArgumentException.class, () -> Json.parse(text), text);
        }
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, () -> Json.parse("[1, x]"));
        assertTrue(refusal.getMessage().contains("'x' at character 4"), refusal.getMessage());
    }
}
