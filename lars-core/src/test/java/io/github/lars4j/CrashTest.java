package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.internal.saving.SimulatedDisk;
import io.github.lars4j.internal.saving.SimulatedDisk.Crash;
import io.github.lars4j.internal.saving.SimulatedDisk.Fault;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Saves on a simulated disk that crashes or fails at each operation in turn: the file is the old or the new one. */
class CrashTest {

    private final Path file = Path.of("folder", "run.safetensors").toAbsolutePath();
    private final Lars older = SampleRun.builder(SampleRun.Kind.PAPER).build();
    private final Lars newer = SampleRun.builder(SampleRun.Kind.PAPER).build();
    private final float[] olderParams = SampleRun.params();
    private final float[] newerParams = SampleRun.params();

    CrashTest() {
        SampleRun.run(older, olderParams, 10);
        SampleRun.run(newer, newerParams, 25);
    }

    private byte[] saved(Lars lars, float[] params) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(0);
        Inside.save(disk, file, lars, params);
        return disk.content(file);
    }

    @Test
    void theFileIsTheOldOneOrTheNewOneInAFewCases(@TempDir Path folder) throws IOException {
        assertEquals(3, theFileIsTheOldOneOrTheNewOne(folder, 500).size());
    }

    @Test
    @Tag("no-mutants")
    void theFileIsTheOldOneOrTheNewOne(@TempDir Path folder) throws IOException {
        Map<Fault, int[]> seen = theFileIsTheOldOneOrTheNewOne(folder, 10_000);
        // Every kind of fault has had an effect.
        seen.forEach((fault, outcomes) -> assertTrue(
                outcomes[0] > 50 && outcomes[1] > 500 && outcomes[2] > 50, fault + Arrays.toString(outcomes)));
    }

    private Map<Fault, int[]> theFileIsTheOldOneOrTheNewOne(Path folder, int schedules) throws IOException {
        byte[] oldBytes = saved(older, olderParams);
        byte[] newBytes = saved(newer, newerParams);
        requireLoads(folder, oldBytes, older, olderParams);
        requireLoads(folder, newBytes, newer, newerParams);

        SimulatedDisk counting = new SimulatedDisk(0);
        counting.plan(Fault.CRASH, Integer.MAX_VALUE);
        Inside.save(counting, file, newer, newerParams);
        // In some schedules, short writes add operations.
        int operations = counting.operations + 4;
        int leftBehind = 0;
        assertTrue(operations > 15, "the state is written in too few pieces to be interesting");

        Map<Fault, int[]> seen = new EnumMap<>(Fault.class);
        for (int seed = 0; seed < schedules; seed++) {
            Random random = new Random(seed);
            boolean hadOld = random.nextInt(8) != 0;
            Fault fault = Fault.values()[random.nextInt(3)];
            int[] outcomes = seen.computeIfAbsent(fault, key -> new int[3]);
            SimulatedDisk disk = new SimulatedDisk(seed);
            if (hadOld) {
                Inside.save(disk, file, older, olderParams);
            }
            disk.plan(fault, seed % operations);
            boolean returned = false;
            boolean crashed = false;
            try {
                Inside.save(disk, file, newer, newerParams);
                returned = true;
            } catch (IOException e) {
                assertTrue(e.getMessage().contains("simulated"), e.getMessage());
            } catch (Crash e) {
                crashed = true;
            }
            String where = "seed " + seed + ", " + fault;
            if (!crashed) {
                byte[] content = disk.content(file);
                requireOneOf(where, content, hadOld ? oldBytes : null, newBytes);
                assertFalse(returned && Arrays.equals(content, oldBytes), where);
            }
            if (crashed || random.nextBoolean()) {
                disk.crash();
            }
            byte[] content = disk.content(file);
            requireOneOf(where, content, hadOld ? oldBytes : null, newBytes);
            if (returned) {
                assertArrayEquals(newBytes, content, where);
            }
            outcomes[content == null ? 0 : Arrays.equals(content, oldBytes) ? 1 : 2]++;
            // The next save succeeds and deletes what was left behind.
            leftBehind += disk.files() > (content == null ? 0 : 1) ? 1 : 0;
            disk.plan(Fault.ERROR, Integer.MAX_VALUE);
            if (!crashed && fault == Fault.FULL) {
                continue;
            }
            Inside.save(disk, file, newer, newerParams);
            assertArrayEquals(newBytes, disk.content(file), where);
            assertEquals(1, disk.files(), where);
        }
        assertTrue(leftBehind > schedules / 20, leftBehind + " crashes left a temporary file behind");
        seen.forEach((fault, outcomes) -> {
            System.out.printf(
                    "%s: no file %d times, the old one %d times, the new one %d times, and no other%n",
                    fault, outcomes[0], outcomes[1], outcomes[2]);
        });
        return seen;
    }

    private static void requireOneOf(String where, byte[] content, byte[] before, byte[] after) {
        if (content == null) {
            assertTrue(before == null, where + ": the file is gone");
        } else if (before == null || !Arrays.equals(before, content)) {
            assertArrayEquals(after, content, where);
        }
    }

    private static void requireLoads(Path folder, byte[] content, Lars saved, float[] params) throws IOException {
        assertNotNull(content);
        Path copy = Files.write(folder.resolve("copy.safetensors"), content);
        float[] restored = new float[params.length];
        try (Lars lars = SampleRun.builder(SampleRun.Kind.SNIPPET).build()) {
            Checkpoint.load(copy).restore(lars, restored);
            assertEquals(SampleRun.bits(saved, params), SampleRun.bits(lars, restored));
        }
    }

    @Test
    void aFailedSaveLeavesNothingBehind() throws IOException {
        for (int operation = 0; operation < 16; operation++) {
            SimulatedDisk disk = new SimulatedDisk(operation);
            Inside.save(disk, file, older, olderParams);
            disk.plan(Fault.ERROR, operation);
            try {
                Inside.save(disk, file, newer, newerParams);
            } catch (IOException e) {
                assertTrue(e.getMessage().contains("simulated"), e.getMessage());
            }
            assertEquals(1, disk.files(), "operation " + operation);
        }
    }
}
