package io.github.lars4j.bench.replay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.lars4j.safetensors.SafeTensorsException;
import io.github.lars4j.safetensors.SafeTensorsFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("locale")
class RecordingTest {

    @TempDir
    Path folder;

    /** seed-4 with its header changed, and padded to the length that it had. */
    private Path edited(String target, String replacement) throws IOException {
        byte[] bytes = Files.readAllBytes(Recordings.file("seed-4"));
        int length = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        String header = new String(bytes, 8, length, StandardCharsets.UTF_8);
        assertTrue(header.contains(target), target);
        byte[] changed = header.strip().replace(target, replacement).getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(8 + changed.length + bytes.length - 8 - length)
                .order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(changed.length).put(changed).put(bytes, 8 + length, bytes.length - 8 - length);
        return Files.write(folder.resolve("edited.safetensors"), file.array());
    }

    /** What is changed in the header, to what, and what the message says of it. */
    private static final List<List<String>> MALFORMED = List.of(
            List.of(
                    "\"dialect\":\"seed\"",
                    "\"dialect\":\"sead\"",
                    "\"dialect\": it is \"sead\"; it must be paper, seed"),
            List.of("\"dialect\":", "\"dialekt\":", "\"dialect\": it is not there"),
            List.of("\\\"momentum\\\": 0.9", "\\\"momentum\\\": -0.9", "\"hyperparameters\": momentum is -0.9"),
            List.of("\\\"momentum\\\": 0.9", "\\\"momentum\\\": \\\"0\\\"", "found 0 where a number must be"),
            List.of("\\\"momentum\\\": 0.9", "\\\"momentun\\\": 0.9", "\"hyperparameters\": \"momentum\" is not there"),
            List.of("\\\"momentum\\\": 0.9", "\\\"momentum\\\": NaN", "malformed at $.momentum: no JSON value"),
            List.of(
                    "\\\"momentum\\\": 0.9",
                    "\\\"momentum\\\": 1e999",
                    "malformed at $.momentum: JSON forbids NaN and infinities"),
            List.of("\\\"nesterov\\\": false", "\\\"nesterov\\\": 0", "\"nesterov\" must be true or false"),
            List.of(
                    "\\\"nesterov\\\": false",
                    "\\\"nesterov\\\": null",
                    "malformed at $.nesterov: null is not allowed"),
            List.of("\\\"eps\\\": 1e-15", "\\\"eps\\\": 0, \\\"eps\\\": 0", "an object has key \"eps\" twice"),
            List.of(
                    "\\\"eps\\\": 1e-15",
                    "\\\"eps\\\": 0, \\\"clip\\\": true",
                    "\"clip\" is not known for dialect \"seed\""),
            List.of("\"learning_rates\":\"[4.0, ", "\"learning_rates\":\"[", "tensor \"gradients\" is F32 [6, 1086]"),
            List.of("\"learning_rates\":\"[4.0, ", "\"learning_rates\":\"[-4, ", "rate of step 0 is -4.0"),
            List.of("\"learning_rates\":\"[4.0, ", "\"learning_rates\":\"{4.0, ", "it is malformed at $."),
            List.of("\"learning_rates\":\"[4.0, ", "\"learning_rates\":\"[4.0 ", "Unterminated array"),
            List.of("[[0, 1], ", "[[0], ", "a pair has 1 elements"),
            List.of("[[0, 1], ", "[[0, 9], ", "[0, 9] is not among 6 steps and 9 layers"),
            List.of("[[0, 1], ", "[[6, 1], ", "[6, 1] is not among 6 steps and 9 layers"),
            List.of("[[0, 1], ", "[[-1, 1], ", "[-1, 1] is not among 6 steps and 9 layers"),
            List.of("[[0, 1], ", "[[0, -1], ", "[0, -1] is not among 6 steps and 9 layers"),
            List.of("[[0, 1], ", "[[0, 1.5], ", "found 1.5 where an integer must be"),
            List.of("[[0, 1], ", "[[1e17, 1], ", "found 1.0E17 where an integer must be"),
            List.of("\"learning_rates\":\"[4.0, ", "\"learning_rates\":\"[]\",\"more\":\"[", "there are none"),
            List.of("\"hyperparameters\":\"{", "\"hyperparameters\":\"[]\",\"more\":\"{", "where an object must be"),
            List.of("[[0, 1], ", "[[0, 1]], ", "it is malformed at $: no JSON value or token"),
            List.of("[[0, 1], ", "[[[[[[[[[[0, 1], ", "Nesting limit 8 reached"),
            List.of("\\\"length\\\": 216", "\\\"length\\\": 217", "length of layer \"conv1.weight\" is 217"),
            List.of("\\\"offset\\\": 216", "\\\"offset\\\": 215", "offset of layer \"bn1.weight\" is 215"),
            List.of("\\\"offset\\\": 957", "\\\"offset\\\": 958", "\"gradients\" has 1086 elements a step"),
            List.of("\\\"name\\\": \\\"bn1.bias\\\"", "\\\"name\\\": 1", "\"name\" must be a string"),
            List.of("\\\"shape\\\": [8, 3, 3, 3]", "\\\"shape\\\": 216", "found 216.0 where an array must be"),
            List.of(
                    "\"params_f32\":",
                    "\"params_f33\":",
                    "tensor \"params_f32\" is not there; it must be F32 [7, 1086]"),
            List.of(
                    "\\\"length\\\": 216",
                    "\\\"length\\\": 216, \\\"depth\\\": 1",
                    "\"depth\" is not known for dialect \"seed\""),
            List.of("[[0, 1], ", "[[9007199254740992, 1], ", "[9007199254740992, 1] is not among 6 steps"),
            List.of(
                    "\"params_f64\":",
                    "\"params_f65\":",
                    "tensor \"params_f64\" is not there; it must be F64 [7, 1086]"),
            List.of(
                    "\\\"eps\\\": 1e-15",
                    "\\\"eps\\\": 0, \\\"decay\\\": \\\"twice\\\"",
                    "\"decay\" is \"twice\"; it must be one of [scaled, beside_ratio, ratio_only]"),
            List.of(
                    "\\\"eps\\\": 1e-15",
                    "\\\"eps\\\": 0, \\\"decay\\\": \\\"beside_ratio\\\"",
                    "decay is BESIDE_RATIO with entry UPDATE"),
            List.of("\\\"eps\\\": 1e-15", "\\\"eps\\\": 0, \\\"ratio_max\\\": -1", "most is -1.0"),
            List.of("\\\"eps\\\": 1e-15", "\\\"eps\\\": 0, \\\"ratio_min\\\": -1", "least is -1.0"),
            List.of("\\\"eps\\\": 1e-15", "\\\"eps\\\": 0, \\\"weight_norm_max\\\": 0", "most is 0.0"),
            List.of("\\\"eps\\\": 1e-15", "\\\"eps\\\": 0, \\\"gradient_norm_min\\\": -1", "floor is -1.0"),
            List.of(
                    "\\\"eps\\\": 1e-15",
                    "\\\"eps\\\": 0, \\\"gradient_clip\\\": 1",
                    "\"gradient_clip_min\" is not there"),
            List.of("\"dialect\":\"seed\"", "\"dialect\":\"rule\"", "\"hyperparameters\": \"ratio\" is not there"),
            List.of("\"gradients\":{", "\"gradient\":{", "tensor \"gradients\" has shape []"),
            List.of("\"params_initial\":{\"dtype\":\"F32\"", "\"params_initial\":{\"dtype\":\"I32\"", "is I32 [1086]"));

    @Test
    void malformedRecordingsAreRefusedByName() throws IOException {
        for (List<String> row : MALFORMED) {
            Path file = edited(row.get(0), row.get(1));
            SafeTensorsException refused = assertThrows(SafeTensorsException.class, () -> open(file), row::toString);
            assertTrue(refused.getMessage().contains(row.get(2)), () -> row + " gives " + refused.getMessage());
            assertTrue(refused.getMessage().startsWith(file.toString()), refused::getMessage);
        }
    }

    private static void open(Path file) throws IOException {
        Recording.open(file).close();
    }

    @Test
    void oneThatIsRefusedIsClosed() throws IOException {
        Path descriptors = Path.of("/proc/self/fd");
        assumeTrue(Files.isDirectory(descriptors), "this system does not list the open files of a process");
        Path file = edited("\"dialect\":", "\"dialekt\":").toRealPath();
        assertThrows(SafeTensorsException.class, () -> open(file));
        try (Stream<Path> open = Files.list(descriptors)) {
            assertTrue(open.noneMatch(descriptor -> isLinkTo(file, descriptor)));
        }
    }

    private static boolean isLinkTo(Path file, Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).equals(file);
        } catch (IOException e) {
            return false; // closed meanwhile
        }
    }

    @Test
    void withoutMomentumNoneIsNeeded() throws IOException {
        Path file = edited("\"momentum_f64\":", "\"momentum_f65\":");
        assertThrows(SafeTensorsException.class, () -> open(file));
        open(edited("\\\"momentum\\\": 0.9", "\\\"momentum\\\": 0"));
    }

    /** The dialect {@code rule} is any rule, by the names of its values. */
    @Test
    void aRuleByItsValuesHoldsAsItsDialectDoes() throws IOException {
        byte[] bytes = Files.readAllBytes(edited("\"dialect\":\"seed\"", "\"dialect\":\"rule\""));
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        for (String entry : List.of("update", "gradient")) {
            String values = "\\\"ratio\\\": \\\"sum\\\", \\\"entry\\\": \\\"" + entry
                    + "\\\", \\\"zero_norm\\\": \\\"formula\\\", \\\"clip\\\": false, \\\"always_adapt\\\": true, ";
            byte[] changed = text.replace("\\\"momentum\\\": 0.9", values + "\\\"momentum\\\": 0.9")
                    .getBytes(StandardCharsets.ISO_8859_1);
            ByteBuffer file = ByteBuffer.wrap(changed).order(ByteOrder.LITTLE_ENDIAN);
            file.putLong(0, file.getLong(0) + changed.length - bytes.length);
            Path rule = Files.write(folder.resolve("rule.safetensors"), changed);
            try (Recording recording = Recording.open(rule)) {
                assertEquals(entry.equals("update"), Replay.of(recording).holds(), entry);
            }
        }
    }

    @Test
    void aWrongHyperparameterIsSeen() throws IOException {
        for (List<String> row : List.of(
                List.of("\\\"momentum\\\": 0.9", "\\\"momentum\\\": 0.9001"),
                List.of("\\\"weight_decay\\\": 0.01", "\\\"weight_decay\\\": 0.0101"),
                List.of("\\\"dampening\\\": 0", "\\\"dampening\\\": 0.001"),
                List.of("\\\"nesterov\\\": false", "\\\"nesterov\\\": true"),
                List.of("\\\"trust_coefficient\\\": 0.001", "\\\"trust_coefficient\\\": 0.00101"),
                List.of("[[0, 1], ", "["),
                List.of("\"dialect\":\"seed\"", "\"dialect\":\"paper\""))) {
            try (Recording recording = Recording.open(edited(row.get(0), row.get(1)))) {
                Replay replay = Replay.of(recording);
                assertFalse(replay.holds(), row::toString);
                assertTrue(replay.toString().contains("FAILS, first at step "), replay::toString);
            }
        }
    }

    @Test
    void aRunThatDoesNotBeginWhereTheRecordingSaysIsRefused() throws IOException {
        for (String tensor : List.of("params_initial", "params_f64", "params_f32", "momentum_f64")) {
            Path original = Recordings.file("seed-4");
            byte[] bytes = Files.readAllBytes(original);
            try (SafeTensorsFile file = SafeTensorsFile.open(original)) {
                bytes[(int) (file.dataStart() + file.tensors().get(tensor).begin()) + 3] ^= 1;
            }
            Path changed = Files.write(folder.resolve("changed.safetensors"), bytes);
            try (Recording recording = Recording.open(changed)) {
                SafeTensorsException refused =
                        assertThrows(SafeTensorsException.class, () -> Replay.of(recording), tensor);
                assertTrue(refused.getMessage().contains("at element 0 params_initial is"), refused::getMessage);
            }
        }
    }

    @Test
    void zeroIsARateAndALayer() throws IOException {
        open(edited("\"learning_rates\":\"[4.0, ", "\"learning_rates\":\"[0.0, "));
        try (Recording recording = Recording.open(edited("[[0, 1], ", "[[0, 0], "))) {
            assertTrue(recording.isMissing(0, 0));
            assertFalse(recording.isMissing(0, 1));
        }
    }

    @Test
    void aReplayTellsWhatWasReplayedAndHowFarBothRunsWereOff() throws IOException {
        Path file = Recordings.file("seed-4");
        Recording recording = Recording.open(file);
        assertEquals(file.toString(), recording.name());
        assertEquals("seed", recording.dialect());
        Replay replay = Replay.of(recording);
        recording.close();
        assertThrows(FileSystemException.class, () -> recording.gradients(0, new float[recording.elements()]));
        assertEquals(file.toString(), replay.recording());
        assertEquals("seed", replay.dialect());
        assertTrue(replay.toString().endsWith(": holds"), replay::toString);
        double recorded = 0;
        double ulps = 0;
        for (Replay.Distance d : replay.distances()) {
            recorded = Math.max(recorded, d.recorded());
            ulps = Math.max(ulps, d.ulps());
        }
        assertTrue(recorded > 0.1 && recorded < 100, "the float32 run was off by " + recorded + " ulp");
        assertTrue(ulps > 0.1 && ulps < 8, "this run was off by " + ulps + " ulp");
    }

    private static Replay.Distance distance(double weights, double momentum) {
        return new Replay.Distance(3, "layer", weights, momentum, 0.5, 0.25, Replay.Judgement.JUDGED);
    }

    @Test
    void theBarHoldsToItsEdges() {
        assertTrue(distance(1, 1).holds());
        assertFalse(distance(Math.nextUp(1.0), 1).holds());
        assertFalse(distance(1, Math.nextUp(1.0)).holds());
        assertFalse(distance(Double.NaN, 0).holds());
        assertFalse(distance(0, Double.NaN).holds());
        Replay.Distance good = distance(0.5, 0.75);
        Replay.Distance bad = new Replay.Distance(4, "other", 9, 0.25, 30, 2, Replay.Judgement.JUDGED);
        assertEquals(
                "r (d): weights off by 9.00 of their bound (other, step 4), buffer by 0.75 of its bound (layer, step 3):"
                        + " FAILS, first at step 4 in layer other: weights 9.00 of their bound, buffer 0.25;"
                        + " weights 30.00 ulp of the largest so far, those of the recorded float32 run 2.00 ulp",
                new Replay("r", "d", "k", List.of(good, bad)).toString());
    }
}
