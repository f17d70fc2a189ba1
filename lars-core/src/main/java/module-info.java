/**
 * LARS (layer-wise adaptive rate scaling), an optimizer for trainers written in Java. Start at {@link
 * io.github.lars4j.Lars}.
 *
 * <p>On the module path, SIMD kernels need no option. On the class path, they need the option {@code --add-modules
 * jdk.incubator.vector}; without it, the optimizer uses scalar kernels.
 *
 * <p>Tensors outside the heap need native access: the option {@code --enable-native-access=io.github.lars4j}, or {@code
 * =ALL-UNNAMED} on the class path. If it is denied, steps copy such tensors block by block.
 *
 * @since 1.0
 */
module io.github.lars4j {
    requires jdk.incubator.vector;

    exports io.github.lars4j;
    exports io.github.lars4j.rule;
    exports io.github.lars4j.safetensors;
}
