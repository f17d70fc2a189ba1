package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.kernel.KernelChoice.Facts;
import io.github.lars4j.internal.kernel.KernelChoice.Trial;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The source of an optimizer's kernels: it gathers the facts of this JVM and lets {@link KernelChoice} choose. If the
 * choice depends on the {@link KernelTrial}, the trial runs once per JVM and kind of kernels in a daemon thread, when
 * kernels of that kind are first asked for; until it has ended, steps use the scalar kernels.
 */
public final class KernelSource {

    private static final Logger LOGGER = System.getLogger("io.github.lars4j");

    /** The wish whose choice depends on the trial. */
    private static final KernelWish AUTO = new KernelWish(KernelWish.Wanted.AUTO, "the library");

    private static String lastLogged = "";

    private final KernelWish wish;
    private final OfKind arrays;
    /** The other kinds for which kernels have been asked. */
    private final List<OfKind> placed = new ArrayList<>();

    private KernelSource(KernelWish wish) {
        this.wish = wish;
        this.arrays = new OfKind(KernelKind.ARRAYS, wish);
    }

    /**
     * Returns a source for this JVM and a wish. If the scalar kernels are chosen although the user did not ask for
     * them, this logs the reason in one line, and does not repeat the line.
     *
     * @param wish the kernels that the user asks for
     * @return the source
     * @throws IllegalArgumentException if {@link KernelChoice#BITS_PROPERTY} is not 128, 256 or 512
     * @throws IllegalStateException if the user asks for the vector kernels and they cannot run
     */
    public static KernelSource open(KernelWish wish) {
        return new KernelSource(wish);
    }

    /** Returns the kernels for arrays in a step that begins now. */
    public Kernels arrays() {
        return arrays.choice().vector() ? VectorKernels.INSTANCE : ScalarKernels.INSTANCE;
    }

    /**
     * Returns the kernels of a kind other than {@link KernelKind#ARRAYS} in a step that begins now; {@code null} for the
     * scalar kernels of narrow formats, which are {@link CopyKernels}. Those of a float16 gradient are for {@link
     * WideningKernels}. Outside the heap, native access must be allowed.
     */
    public PlacedKernels placed(KernelKind kind) {
        for (int i = 0; i < placed.size(); i++) {
            if (placed.get(i).kind.equals(kind)) {
                return placed.get(i).kernels();
            }
        }
        OfKind added = new OfKind(kind, wish);
        placed.add(added);
        return added.kernels();
    }

    /**
     * Returns one line with the kernels for a step that begins now, their vector width, and the reason for the choice;
     * and another one for each other kind for which kernels have been asked.
     */
    public String describe() {
        StringBuilder lines = new StringBuilder(arrays.describe());
        for (OfKind kind : placed) {
            lines.append(System.lineSeparator()).append(kind.describe());
        }
        return lines.toString();
    }

    private static String describe(KernelKind kind, KernelChoice choice) {
        return kind.prefix()
                + (choice.vector() ? "vector kernels, " + VectorKernels.bits() + " bits: " : "scalar kernels: ")
                + choice.reason();
    }

    private static synchronized void log(KernelWish wish, KernelKind kind, KernelChoice choice) {
        String line = describe(kind, choice);
        if (wish.kernels() != KernelWish.Wanted.SCALAR && !choice.vector() && !line.equals(lastLogged)) {
            lastLogged = line;
            LOGGER.log(Level.INFO, line);
        }
    }

    /** The choice of kernels of one kind. */
    private static final class OfKind {

        private static final Set<KernelKind> TRIAL_STARTED = new HashSet<>();

        /** The choice after the trial of each kind whose trial has ended. */
        private static final Map<KernelKind, KernelChoice> TRIED = new ConcurrentHashMap<>();

        private final KernelKind kind;
        private volatile KernelChoice choice;
        /** The kernels that were chosen last, unless for {@link KernelKind#ARRAYS}. */
        private PlacedKernels kernels;

        private boolean kernelsAreVector;

        OfKind(KernelKind kind, KernelWish wish) {
            this.kind = kind;
            boolean module =
                    ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
            if (module) {
                KernelChoice.vectorBits();
            }
            // Linking takes tens of milliseconds, so it is left to the trial's thread unless the vector kernels are
            // required.
            String failure = module && wish.kernels() == KernelWish.Wanted.VECTOR ? KernelTrial.failure(kind) : null;
            choice = KernelChoice.from(facts(wish, module, failure), Trial.PENDING);
            if (choice.waits()) {
                startTrial(kind);
            } else {
                log(wish, KernelKind.ARRAYS, choice); // the reason is the same for all kinds
            }
        }

        private static Facts facts(KernelWish wish, boolean module, String failure) {
            return new Facts(wish, module, failure, System.getProperty("java.vm.info", ""));
        }

        private static synchronized void startTrial(KernelKind kind) {
            if (!TRIAL_STARTED.add(kind)) {
                return;
            }
            Thread thread = new Thread(
                    () -> {
                        KernelTrial.Result result = KernelTrial.run(kind);
                        KernelChoice choice = KernelChoice.from(facts(AUTO, true, result.failure()), result.verdict());
                        try {
                            log(AUTO, kind, choice);
                        } finally {
                            TRIED.put(kind, choice);
                        }
                    },
                    "lars4j-kernel-trial");
            thread.setDaemon(true);
            thread.start();
        }

        String describe() {
            return KernelSource.describe(kind, choice());
        }

        KernelChoice choice() {
            if (choice.waits()) {
                choice = TRIED.getOrDefault(kind, choice);
            }
            return choice;
        }

        PlacedKernels kernels() {
            boolean vector = choice().vector();
            if (kernels == null || kernelsAreVector != vector) {
                kernels = vector || kind.isFloat32() ? kind.placed(vector) : null;
                kernelsAreVector = vector;
            }
            return kernels;
        }
    }
}
