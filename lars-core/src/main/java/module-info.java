/**
 * Layer-wise adaptive rate scaling (LARS) for trainers written in Java.
 *
 * <p>A program on the module path gets the SIMD kernels without a flag; one on the class path needs {@code
 * --add-modules jdk.incubator.vector}.
 */
module io.github.lars4j {
    requires jdk.incubator.vector;

    exports io.github.lars4j;
    exports io.github.lars4j.rule;
    exports io.github.lars4j.safetensors;
}
