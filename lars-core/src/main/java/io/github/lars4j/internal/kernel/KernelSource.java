package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.kernel.KernelChoice.Facts;
import io.github.lars4j.internal.kernel.KernelChoice.Trial;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/**
 * The source of an optimizer's kernels: it gathers the facts of this JVM and lets {@link KernelChoice} choose. If the
 * choice depends on the {@link KernelTrial}, the trial runs once per JVM in a daemon thread; until it has ended, steps
 * use the scalar kernels.
 */
public final class KernelSource {

    private static final Logger LOGGER = System.getLogger("io.github.lars4j");

    /** The wish whose choice depends on the trial. */
    private static final KernelWish AUTO = new KernelWish(KernelWish.Wanted.AUTO, "the library");

    private static String lastLogged = "";
    private static boolean trialStarted;

    /** The choice after the trial; {@code null} until the trial has ended. */
    private static volatile KernelChoice tried;

    private volatile KernelChoice choice;

    private KernelSource(KernelChoice choice) {
        this.choice = choice;
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
        boolean module = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        if (module) {
            KernelChoice.vectorBits();
        }
        // Linking takes tens of milliseconds, so it is left to the trial's thread unless the vector kernels are
        // required.
        String linkError = module && wish.kernels() == KernelWish.Wanted.VECTOR ? KernelTrial.linkError() : null;
        KernelChoice choice = KernelChoice.from(facts(wish, module, linkError), Trial.PENDING);
        if (choice.waits()) {
            startTrial();
        } else {
            log(wish, choice);
        }
        return new KernelSource(choice);
    }

    private static Facts facts(KernelWish wish, boolean module, String linkError) {
        return new Facts(
                wish, module, linkError, System.getProperty("java.vm.name"), System.getProperty("java.vm.info"));
    }

    private static synchronized void startTrial() {
        if (trialStarted) {
            return;
        }
        trialStarted = true;
        Thread thread = new Thread(
                () -> {
                    Trial verdict = KernelTrial.run();
                    KernelChoice choice = KernelChoice.from(facts(AUTO, true, KernelTrial.linkError()), verdict);
                    log(AUTO, choice);
                    tried = choice;
                },
                "lars4j-kernel-trial");
        thread.setDaemon(true);
        thread.start();
    }

    private static synchronized void log(KernelWish wish, KernelChoice choice) {
        String line = describe(choice);
        if (wish.kernels() != KernelWish.Wanted.SCALAR && !choice.vector() && !line.equals(lastLogged)) {
            lastLogged = line;
            LOGGER.log(Level.INFO, line);
        }
    }

    /** Returns the kernels for a step that begins now. */
    public Kernels kernels() {
        return choice().vector() ? VectorKernels.INSTANCE : ScalarKernels.INSTANCE;
    }

    /**
     * Returns one line with the kernels for a step that begins now, their vector width, and the reason for the choice.
     */
    public String describe() {
        return describe(choice());
    }

    private KernelChoice choice() {
        if (choice.waits() && tried != null) {
            choice = tried;
        }
        return choice;
    }

    private static String describe(KernelChoice choice) {
        return (choice.vector() ? "vector kernels, " + VectorKernels.bits() + " bits: " : "scalar kernels: ")
                + choice.reason();
    }
}
