package io.github.lars4j.kernel;

import io.github.lars4j.kernel.KernelChoice.Facts;
import io.github.lars4j.kernel.KernelChoice.Trial;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/**
 * Gathers the facts of this JVM, has {@link KernelChoice} choose, and hands out the kernels that were chosen. Where the
 * choice waits for {@link KernelTrial}, it is made again when that has ended.
 */
public final class KernelSource {

    private static final Logger LOGGER = System.getLogger("io.github.lars4j");

    private static String lastLogged = "";

    private final String wish;
    private final boolean module;
    private volatile KernelChoice choice;
    private volatile Trial trial;

    private KernelSource(String wish, boolean module) {
        this.wish = wish;
        this.module = module;
        choose();
    }

    /**
     * The kernels for this JVM and its properties. Logs one line where nobody asked for the scalar kernels and it must be they,
     * and does not repeat it.
     *
     * @throws IllegalArgumentException if a property has a value that it cannot have
     * @throws IllegalStateException if the vector kernels are asked for and cannot run
     */
    public static KernelSource open() {
        boolean module = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        if (module) {
            KernelChoice.vectorBits();
        }
        return new KernelSource(System.getProperty(KernelChoice.KERNELS_PROPERTY), module);
    }

    private void choose() {
        trial = KernelTrial.verdict();
        // Linking takes tens of milliseconds: the trial's thread finds out, but where the vector kernels are insisted
        // on.
        boolean linked = trial != Trial.PENDING || "vector".equals(wish);
        choice = KernelChoice.from(
                new Facts(
                        wish,
                        module,
                        module && linked ? KernelTrial.linkError() : null,
                        System.getProperty("java.vm.name"),
                        System.getProperty("java.vm.info")),
                trial);
        if (choice.waits()) {
            KernelTrial.start();
        } else if (!choice.vector() && wish == null) {
            log(describe());
        }
    }

    private static synchronized void log(String line) {
        if (!line.equals(lastLogged)) {
            lastLogged = line;
            LOGGER.log(Level.INFO, line);
        }
    }

    /** The kernels for the step that begins now. */
    public Kernels kernels() {
        if (choice.waits() && trial != KernelTrial.verdict()) {
            choose();
        }
        return choice.vector() ? VectorKernels.INSTANCE : ScalarKernels.INSTANCE;
    }

    /** Name, vector width and reason, in one line. */
    public String describe() {
        KernelChoice now = choice;
        return (now.vector() ? "vector kernels, " + VectorKernels.bits() + " bits: " : "scalar kernels: ")
                + now.reason();
    }
}
