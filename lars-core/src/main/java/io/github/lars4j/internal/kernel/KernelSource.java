package io.github.lars4j.internal.kernel;

import io.github.lars4j.internal.kernel.KernelChoice.Facts;
import io.github.lars4j.internal.kernel.KernelChoice.Trial;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/**
 * Gathers the facts of this JVM, has {@link KernelChoice} choose, and hands out the kernels that were chosen. Where the
 * choice waits for {@link KernelTrial}, that runs in a daemon thread, once in a JVM, and steps go over when it has
 * ended.
 */
public final class KernelSource {

    private static final Logger LOGGER = System.getLogger("io.github.lars4j");

    private static String lastLogged = "";
    private static boolean trialStarted;

    /** What the trial came to; {@code null} until it has ended. */
    private static volatile KernelChoice tried;

    private volatile KernelChoice choice;

    private KernelSource(KernelChoice choice) {
        this.choice = choice;
    }

    /**
     * The kernels for this JVM and its properties. Logs one line where nobody asked for the scalar kernels and it must
     * be they, and does not repeat it.
     *
     * @throws IllegalArgumentException if a property has a value that it cannot have
     * @throws IllegalStateException if the vector kernels are asked for and cannot run
     */
    public static KernelSource open() {
        String wish = System.getProperty(KernelChoice.KERNELS_PROPERTY, KernelChoice.AUTO);
        boolean module = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        if (module) {
            KernelChoice.vectorBits();
        }
        // Linking takes tens of milliseconds: the trial's thread finds out, but where the vector kernels are insisted
        // on.
        String linkError = module && wish.equals(KernelChoice.VECTOR) ? KernelTrial.linkError() : null;
        KernelChoice choice = KernelChoice.from(facts(wish, module, linkError), Trial.PENDING);
        if (choice.waits()) {
            startTrial();
        } else {
            log(wish, choice);
        }
        return new KernelSource(choice);
    }

    private static Facts facts(String wish, boolean module, String linkError) {
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
                    KernelChoice choice =
                            KernelChoice.from(facts(KernelChoice.AUTO, true, KernelTrial.linkError()), verdict);
                    log(KernelChoice.AUTO, choice);
                    tried = choice;
                },
                "lars4j-kernel-trial");
        thread.setDaemon(true);
        thread.start();
    }

    private static synchronized void log(String wish, KernelChoice choice) {
        String line = describe(choice);
        if (!wish.equals(KernelChoice.SCALAR) && !choice.vector() && !line.equals(lastLogged)) {
            lastLogged = line;
            LOGGER.log(Level.INFO, line);
        }
    }

    /** The kernels for the step that begins now. */
    public Kernels kernels() {
        return choice().vector() ? VectorKernels.INSTANCE : ScalarKernels.INSTANCE;
    }

    /** Name and vector width of the kernels for a step that would begin now, and why these, in one line. */
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
