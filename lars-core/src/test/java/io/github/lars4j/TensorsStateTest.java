package io.github.lars4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.lars4j.rule.Dialects;
import io.github.lars4j.rule.Treatment;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The state of an optimizer is the same wherever its momentum and the weights lie, and its memory is freed. */
class TensorsStateTest {

    private static final Layers FEW = Layers.builder()
            .add("w", 5000)
            .at(5010)
            .add("bias", 7, Treatment.PLAIN)
            .add("nothing", 0)
            .add("head", 300)
            .build();

    /** With two more layers, one of which lies in the gap. */
    private static final Layers MORE = new Layers(List.of(
            FEW.get(0),
            FEW.get(1),
            FEW.get(2),
            FEW.get(3),
            new Layer("more", FEW.end(), List.of(4100L), 4100, Treatment.FULL),
            new Layer("gap", 5001, List.of(5L), 5, Treatment.FULL)));

    @TempDir
    private Path folder;

    /** All that an optimizer can go through, with its bits after every call. */
    private final class Life implements AutoCloseable {

        private final List<String> bits = new ArrayList<>();
        private final Arena arena = Arena.ofShared();
        private final Trace.Place place;
        private Layers layers = FEW;
        private Tensors w;
        private Tensors g;
        private Lars lars;

        Life(Trace.Place place) {
            this.place = place;
            this.w = place.weights.copyOf(Random32.normal(1, (int) FEW.end(), 1), FEW, arena);
            this.lars = build(0);
        }

        private Lars build(double momentum) {
            return Inside.fineGrain(Lars.builder(layers)
                            .learningRate(Schedule.cosine(1, 100))
                            .weightDecay(0.01)
                            .momentum(momentum)
                            .dampening(0.25)
                            .parallelism(2)
                            .nativeMomentum(place.nativeMomentum))
                    .group("head", layer -> layer.name().equals("head"), s -> s.rateFactor(2))
                    .build();
        }

        List<String> live() throws IOException {
            steps(3);
            lars.change(s -> s.momentum(0.9)); // allocates the buffer
            steps(3);
            Snapshot snapshot = lars.snapshot();
            bits.add(Bits.of(snapshot));
            steps(2);
            lars.change("head", s -> s.momentum(0)); // loses the momentum of a layer
            steps(1);
            lars.change("head", s -> s.momentum(0.5));
            steps(2);
            everywhere();
            lars.restore(snapshot);
            steps(2);
            lars.restore(lars.snapshot().convertedTo(Dialects.SNIPPET));
            steps(2);
            Path file = folder.resolve("few");
            Checkpoint.save(file, lars, w);
            bits.add(Bits.files(folder));

            layers = MORE;
            lars.addLayers(MORE);
            Tensors present = w;
            w = place.weights.copyOf(Random32.normal(2, (int) MORE.end(), 1), MORE, arena);
            Memory.copy(Memory.toFlat(present, FEW), w, FEW);
            steps(3);
            Path more = folder.resolve("more");
            Checkpoint.save(more, lars, w);
            bits.add(Bits.files(folder));
            steps(2);
            Checkpoint.load(more).restore(lars, w);
            steps(1);
            lars.close();
            lars = build(0); // the restore allocates the buffer
            Checkpoint.load(more).restore(lars, w);
            steps(1);
            lars.close();
            lars = build(0.9);
            steps(1);
            Checkpoint.load(file).restoreMatching(lars, w);
            steps(1);
            lars.close();
            lars = build(0.9);
            steps(1);
            PyTorchState.restore(more, lars, w);
            steps(2);
            Files.delete(file);
            Files.delete(more);
            return bits;
        }

        private void steps(int steps) {
            for (int i = 0; i < steps; i++) {
                long seed = lars.steps() + 10;
                g = place.gradients.copyOf(Random32.normal(seed, (int) layers.end(), 1), layers, arena);
                lars.step(w, Gradients.of(g).missing(3, lars.steps() % 3 == 0));
                bits.add(Bits.of(lars, Memory.toFlat(w, layers)));
            }
        }

        /** Takes a step with the weights in every kind of memory. */
        private void everywhere() {
            for (Memory kind : Memory.values()) {
                float[] values = Memory.toFlat(w, layers);
                Tensors elsewhere = kind.copyOf(values, layers, arena);
                lars.step(elsewhere, g);
                Memory.copy(Memory.toFlat(elsewhere, layers), w, layers);
                bits.add(Bits.of(lars, Memory.toFlat(w, layers)));
            }
        }

        @Override
        public void close() {
            lars.close();
            arena.close();
        }
    }

    @Test
    @Tag("bits")
    void theStateIsTheSameWhereverItLies() throws IOException {
        List<String> expected;
        try (Life flat = new Life(Trace.Place.FLAT)) {
            expected = flat.live();
        }
        for (Trace.Place place : Trace.Place.others()) {
            try (Life life = new Life(place)) {
                List<String> bits = life.live();
                for (int k = 0; k < bits.size(); k++) {
                    assertEquals(expected.get(k), bits.get(k), place + ", call " + k);
                }
                assertEquals(expected.size(), bits.size());
            }
        }
        System.out.println(expected.size() + " states in the life of an optimizer are the same in "
                + (1 + Trace.Place.others().size()) + " places");
    }

    private static Lars nativeMomentum(int threads) {
        Lars lars = Lars.builder(FEW)
                .learningRate(1)
                .momentum(0.9)
                .nativeMomentum(true)
                .parallelism(threads)
                .build();
        float[] gradients = new float[(int) FEW.end()];
        gradients[3] = 1;
        lars.step(Random32.normal(1, (int) FEW.end(), 1), gradients);
        return lars;
    }

    private static MemorySegment.Scope scope(Lars lars) {
        return Inside.momentumOf(lars, 0).scope();
    }

    @Test
    void closeFreesTheMomentum() {
        Lars lars = nativeMomentum(2);
        MemorySegment.Scope first = scope(lars);
        Snapshot snapshot = lars.snapshot();
        MemorySegment.Scope copied = Inside.momentumOf(snapshot, 0).scope();
        assertNotEquals(first, copied);
        lars.restore(snapshot);
        lars.change(s -> s.momentum(0.5));
        assertEquals(first, scope(lars), "they use the buffer that there is");
        assertTrue(first.isAlive());
        lars.addLayers(MORE);
        assertFalse(first.isAlive(), "addLayers frees the smaller one");
        MemorySegment.Scope second = scope(lars);
        lars.addLayers(MORE);
        assertTrue(scope(lars).isAlive() && (second.equals(scope(lars)) || !second.isAlive()));
        second = scope(lars);
        lars.close();
        assertFalse(second.isAlive());
        lars.close();
        assertTrue(copied.isAlive(), "a snapshot has its own");
        assertEquals(1, snapshot.step());
    }

    @Test
    void aForgottenCloseAndAForgottenSnapshotFreeTheMomentum() {
        for (int threads : new int[] {1, 2}) {
            assertFreed(forgottenOptimizer(threads));
        }
        try (Lars lars = nativeMomentum(1)) {
            assertFreed(Inside.momentumOf(lars.snapshot(), 0).scope());
            assertTrue(scope(lars).isAlive());
        }
    }

    @SuppressWarnings("MustBeClosed")
    private static MemorySegment.Scope forgottenOptimizer(int threads) {
        return scope(nativeMomentum(threads));
    }

    /** Waits for the garbage collector and the cleaner. */
    private static void assertFreed(MemorySegment.Scope scope) {
        for (int k = 0; k < 1000 && scope.isAlive(); k++) {
            System.gc();
        }
        assertFalse(scope.isAlive());
    }

    @Test
    void everyLayerOfTheMomentumBeginsACacheLine() {
        try (Lars lars = nativeMomentum(1)) {
            for (int i = 0; i < FEW.size(); i++) {
                assertEquals(0, Inside.momentumOf(lars, i).address() % 64);
                assertEquals(4 * FEW.get(i).length(), Inside.momentumOf(lars, i).byteSize());
            }
        }
    }
}
