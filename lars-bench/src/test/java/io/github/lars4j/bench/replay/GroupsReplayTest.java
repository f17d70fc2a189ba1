package io.github.lars4j.bench.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.safetensors.SafeTensorsException;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Recordings of optimizers with three {@code param_groups}, by the script of the README: timm's Lars 1.0.29 and the
 * snippet, with PyTorch 2.13.0. The groups and their parameters have another order than the layers. They differ in rate,
 * momentum, dampening, weight decay, trust coefficient and Nesterov momentum, timm's also in ε and adaptation without
 * decay; rates, a weight decay, a momentum and a trust coefficient are changed during the run; biases and a norm's bias
 * begin at zero; and two steps of layers have no gradient.
 */
class GroupsReplayTest {

    @TempDir
    Path folder;

    private static Path file(String dialect) {
        try {
            return Path.of(GroupsReplayTest.class
                    .getResource("groups-" + dialect + ".safetensors")
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private Path edited(String dialect, String target, String replacement) throws IOException {
        byte[] bytes = Files.readAllBytes(file(dialect));
        int length = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        String header = new String(bytes, 8, length, StandardCharsets.UTF_8);
        // In the header, the JSON of a value is a string.
        String quoted = raw(target);
        assertTrue(header.contains(quoted), () -> quoted + " is not in " + header);
        byte[] changed = header.strip().replace(quoted, raw(replacement)).getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(8 + changed.length + bytes.length - 8 - length)
                .order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(changed.length).put(changed).put(bytes, 8 + length, bytes.length - 8 - length);
        return Files.write(folder.resolve("edited.safetensors"), file.array());
    }

    private static String raw(String text) {
        return text.startsWith("KEY ") ? text.substring(4) : text.replace("\"", "\\\"");
    }

    private static Replay replay(Path file) throws IOException {
        try (Recording recording = Recording.open(file)) {
            return Replay.of(recording);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"timm", "seed"})
    void threeGroupsHold(String dialect) throws IOException {
        Replay replay = replay(file(dialect));
        assertTrue(replay.holds(), replay::toString);
        assertTrue(replay.worstWeights().weights() > 0.3, replay::toString);
        for (Replay.Distance distance : replay.distances()) {
            assertTrue(distance.judgement() != Replay.Judgement.UNDETERMINED, distance::toString);
            assertTrue(distance.holds(), distance::toString);
        }
        assertEquals(8 * 7, replay.distances().size());
    }

    /** What is changed in the header; each changes a number of one group by about 1e-4, or who is in it. */
    private static final List<List<String>> WRONG = List.of(
            List.of(
                    "[2.0, 3.0, 4.0, 4.0, 2.4, 1.6, 0.8, 0.3], \"momentum\"",
                    "[2.0002, 3.0, 4.0, 4.0, 2.4, 1.6, 0.8, 0.3], \"momentum\""),
            List.of("[1.0, 1.5, 2.0, 2.0, 1.2, 0.8, 0.4, 0.15]", "[1.0, 1.5, 2.0, 2.0, 1.2, 0.8001, 0.4, 0.15]"),
            List.of("[0.02, 0.02, 0.02, 0.05,", "[0.02, 0.02, 0.02, 0.050005,"),
            List.of("[0.8, 0.8, 0.8, 0.8, 0.8, 0.9, 0.9, 0.9]", "[0.8, 0.8001, 0.8, 0.8, 0.8, 0.9, 0.9, 0.9]"),
            List.of("[0.8, 0.8, 0.8, 0.8, 0.8, 0.9, 0.9, 0.9]", "0.8"),
            List.of("\"momentum\": 0.5", "\"momentum\": 0.5001"),
            List.of("\"momentum\": 0.9,", "\"momentum\": 0.9001,"),
            List.of("\"dampening\": 0.25", "\"dampening\": 0.2501"),
            List.of(
                    "[0.01, 0.01, 0.01, 0.01, 0.03, 0.03, 0.03, 0.03]",
                    "[0.01, 0.01, 0.01, 0.01, 0.0301, 0.03, 0.03, 0.03]"),
            List.of(
                    "[0.02, 0.02, 0.02, 0.02, 0.02, 0.03, 0.03, 0.03]",
                    "[0.02, 0.02, 0.020002, 0.02, 0.02, 0.03, 0.03, 0.03]"),
            List.of("\"weight_decay\": 0.0,", "\"weight_decay\": 0.01,"),
            List.of("\"nesterov\": true", "\"nesterov\": false"),
            List.of("[\"conv.weight\", \"norm.weight\"]", "[\"norm.weight\"]"),
            List.of("\"norm.bias\", \"fc.bias\"], ", "\"fc.bias\"], "));

    @ParameterizedTest
    @ValueSource(strings = {"timm", "seed"})
    void aWrongNumberOfOneGroupIsSeen(String dialect) throws IOException {
        for (List<String> row : WRONG) {
            Replay replay = replay(edited(dialect, row.get(0), row.get(1)));
            assertFalse(replay.holds(), () -> row + ": " + replay);
        }
        if (dialect.equals("timm")) {
            assertFalse(replay(edited(dialect, "\"always_adapt\": true", "\"always_adapt\": false"))
                    .holds());
            assertFalse(
                    replay(edited(dialect, "\"eps\": 1e-06", "\"eps\": 1e-04")).holds());
        }
    }

    /** What is changed in the header, to what, and what the message says of it. */
    private static final List<List<String>> MALFORMED = List.of(
            List.of(
                    "KEY \"groups\":\"[",
                    "KEY \"groups\":\"{}\",\"more\":\"[",
                    "\"groups\": found {} where an array must be"),
            List.of(
                    "\"name\": \"group 1\"",
                    "\"name\": \"group 0\"",
                    "group \"group 0\" must have layers, and a name that no"),
            List.of("\"name\": \"group 1\"", "\"name\": 1", "\"name\" must be a string"),
            List.of("\"name\": \"group 1\"", "\"nam\": \"group 1\"", "\"groups\": \"name\" is not there"),
            List.of("[\"conv.weight\", \"norm.weight\"]", "[]", "group \"group 2\" must have layers"),
            List.of("[\"conv.weight\", \"norm.weight\"]", "[\"conv\"]", "group \"group 2\" has layer conv; it must be"),
            List.of(
                    "[\"conv.weight\", \"norm.weight\"]",
                    "[0]",
                    "group \"group 2\" has layer 0.0; it must be the name of a layer"),
            List.of(
                    "[\"conv.weight\", \"norm.weight\"]",
                    "[\"fc.bias\"]",
                    "has layer fc.bias; it must be the name of a layer that is in no"),
            List.of(
                    "[\"conv.weight\", \"norm.weight\"]",
                    "\"conv.weight\"",
                    "found conv.weight where an array must be"),
            List.of(
                    "[0.02, 0.02, 0.02, 0.05,",
                    "[0.02, 0.02, 0.05,",
                    "\"learning_rates\" has 7 numbers; it must have one for each of 8"),
            List.of("[0.02, 0.02, 0.02, 0.05,", "[0.02, -0.02, 0.02, 0.05,", "\"groups\": rate of step 1 is -0.02"),
            List.of("[0.01, 0.01, 0.01, 0.01, 0.03,", "[0.01, 0.01, 0.01, 0.01,", "\"weight_decay\" has 7 numbers"),
            List.of(
                    "[0.01, 0.01, 0.01, 0.01, 0.03,",
                    "[0.01, 0.01, 0.01, true, 0.03,",
                    "found true where a number must be"),
            List.of(
                    "[0.01, 0.01, 0.01, 0.01, 0.03,",
                    "[0.01, 0.01, 0.01, -1, 0.03,",
                    "\"groups\": weightDecay is -1.0"),
            List.of("\"dampening\": 0.25", "\"dampening\": [0.25]", "found [0.25] where a number must be"),
            List.of("\"momentum\": 0.5", "\"momentum\": 0.5, \"mass\": 1", "\"mass\" is not known for dialect"),
            List.of(
                    "\"momentum\": 0.5, \"dampening\": 0.25",
                    "\"momentum\": 0, \"nesterov\": true, \"more\": 0",
                    "has key"));

    @Test
    void malformedGroupsAreRefusedByName() throws IOException {
        for (List<String> row : MALFORMED) {
            Path file = edited("timm", row.get(0), row.get(1));
            SafeTensorsException refused = assertThrows(
                    SafeTensorsException.class, () -> Recording.open(file).close(), row::toString);
            assertTrue(refused.getMessage().contains(row.get(2)), () -> row + " gives " + refused.getMessage());
        }
    }

    @Test
    void eachLayerHasTheNumbersOfItsGroup() throws IOException {
        try (Recording recording = Recording.open(file("timm"))) {
            assertEquals(
                    List.of("group 0", "group 1", "group 2"),
                    recording.groups().stream()
                            .map(Recording.RecordedGroup::name)
                            .toList());
            assertEquals(0.02, recording.regime(1).rates().get(0));
            assertEquals(0.03, recording.regime(0).steps().get(4).weightDecay());
            assertEquals(0.9, recording.common().steps().get(5).momentum());
        }
    }
}
