package io.github.lars4j.kernel;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/** Gathers the facts of this JVM, has {@link KernelChoice} choose, and hands out the kernels that were chosen. */
public final class KernelSource {

    private static final Logger LOGGER = System.getLogger("io.github.lars4j");

    private static String logged = "";

    private final KernelChoice choice;
    private final Kernels kernels;

    private KernelSource(KernelChoice choice) {
        this.choice = choice;
        this.kernels = choice.vector() ? VectorKernels.INSTANCE : ScalarKernels.INSTANCE;
    }

    /**
     * The kernels for this JVM and its properties; logs one line the first time, and again only if the choice changes.
     *
     * @throws IllegalArgumentException if a property has a value that it cannot have
     * @throws IllegalStateException if the vector kernels are asked for and cannot run
     */
    public static KernelSource open() {
        boolean module = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        KernelSource source = new KernelSource(KernelChoice.from(new KernelChoice.Facts(
                System.getProperty(KernelChoice.KERNELS_PROPERTY),
                module,
                module ? linkError() : null,
                System.getProperty("java.vm.name"),
                System.getProperty("java.vm.info"),
                KernelChoice.Trial.FASTER)));
        source.log();
        return source;
    }

    private static String linkError() {
        KernelChoice.vectorBits();
        try {
            VectorKernels.bits();
            return null;
        } catch (LinkageError e) {
            return e.toString();
        }
    }

    private void log() {
        synchronized (LOGGER) {
            if (!logged.equals(describe())) {
                logged = describe();
                LOGGER.log(Level.INFO, logged);
            }
        }
    }

    /** The kernels to use for the step that begins now. */
    public Kernels kernels() {
        return kernels;
    }

    /** Name, vector width and reason, in one line. */
    public String describe() {
        return (choice.vector() ? "vector kernels, " + VectorKernels.bits() + " bits: " : "scalar kernels: ")
                + choice.reason();
    }
}
