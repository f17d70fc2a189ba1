package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.kernel.KernelChoice.Facts;
import io.github.lars4j.internal.kernel.KernelChoice.Trial;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The source of an optimizer's kernels: it gathers the facts of this JVM and lets {@link KernelChoice} choose. If the
 * choice depends on the {@link KernelTrial}, the trial runs once per JVM and kind of memory in a daemon thread, when
 * kernels of that kind are first asked for; until it has ended, steps use the scalar kernels.
 */
public final class KernelSource {

    private static final Logger LOGGER = System.getLogger("io.github.lars4j");

    /** The wish whose choice depends on the trial. */
    private static final KernelWish AUTO = new KernelWish(KernelWish.Wanted.AUTO, "the library");

    private static String lastLogged = "";

    private final KernelWish wish;
    private final OfKind arrays;
    /** {@code null} until such kernels are asked for, as the next one. */
    private OfKind offsets;

    private OfKind outside;

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

    /** Returns the kernels for arrays with an index each in a step that begins now. */
    public PlacedKernels offsets() {
        if (offsets == null) {
            offsets = new OfKind(KernelKind.OFFSETS, wish);
        }
        return offsets.choice().vector() ? OffsetVectorKernels.INSTANCE : OffsetScalarKernels.INSTANCE;
    }

    /** Returns the kernels for memory outside the heap in a step that begins now. Native access must be allowed. */
    public PlacedKernels outside() {
        if (outside == null) {
            outside = new OfKind(KernelKind.OUTSIDE, wish);
        }
        return outside.choice().vector() ? NativeVectorKernels.INSTANCE : NativeScalarKernels.INSTANCE;
    }

    /**
     * Returns one line with the kernels for a step that begins now, their vector width, and the reason for the choice;
     * and another one for each other kind of memory for which kernels have been asked.
     */
    public String describe() {
        StringBuilder lines = new StringBuilder(arrays.describe());
        if (offsets != null) {
            lines.append(System.lineSeparator()).append(offsets.describe());
        }
        if (outside != null) {
            lines.append(System.lineSeparator()).append(outside.describe());
        }
        return lines.toString();
    }

    private static String describe(KernelKind kind, KernelChoice choice) {
        return kind.prefix
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

    /** The choice of kernels for one kind of memory. */
    private static final class OfKind {

        private static final boolean[] TRIAL_STARTED = new boolean[KernelKind.values().length];

        /** For each kind, the choice after its trial; {@code null} until the trial has ended. */
        private static final AtomicReferenceArray<KernelChoice> TRIED =
                new AtomicReferenceArray<>(KernelKind.values().length);

        private final KernelKind kind;
        private volatile KernelChoice choice;

        OfKind(KernelKind kind, KernelWish wish) {
            this.kind = kind;
            boolean module =
                    ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
            if (module) {
                KernelChoice.vectorBits();
            }
            // Linking takes tens of milliseconds, so it is left to the trial's thread unless the vector kernels are
            // required.
            String linkError =
                    module && wish.kernels() == KernelWish.Wanted.VECTOR ? KernelTrial.linkError(kind) : null;
            choice = KernelChoice.from(facts(wish, module, linkError), Trial.PENDING);
            if (choice.waits()) {
                startTrial(kind);
            } else {
                log(wish, KernelKind.ARRAYS, choice); // the reason is the same for all kinds
            }
        }

        private static Facts facts(KernelWish wish, boolean module, String linkError) {
            return new Facts(
                    wish, module, linkError, System.getProperty("java.vm.name"), System.getProperty("java.vm.info"));
        }

        private static synchronized void startTrial(KernelKind kind) {
            if (TRIAL_STARTED[kind.ordinal()]) {
                return;
            }
            TRIAL_STARTED[kind.ordinal()] = true;
            Thread thread = new Thread(
                    () -> {
                        Trial verdict = KernelTrial.run(kind);
                        KernelChoice choice =
                                KernelChoice.from(facts(AUTO, true, KernelTrial.linkError(kind)), verdict);
                        log(AUTO, kind, choice);
                        TRIED.set(kind.ordinal(), choice);
                    },
                    "lars4j-kernel-trial");
            thread.setDaemon(true);
            thread.start();
        }

        String describe() {
            return KernelSource.describe(kind, choice());
        }

        KernelChoice choice() {
            if (choice.waits() && TRIED.get(kind.ordinal()) != null) {
                choice = TRIED.get(kind.ordinal());
            }
            return choice;
        }
    }
}
