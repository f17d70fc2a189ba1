package io.github.lars4j;

import java.util.Objects;

/** Checks the arrays and sums that a caller hands in against the layers and the state. */
final class Arguments {

    private Arguments() {}

    /** Checks what every step reads and writes. */
    static void require(float[] params, Gradients gradients, State state) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        Layers layers = state.layers;
        requireLength("params", params, layers);
        requireLength("gradients", gradients.array(), layers);
        requireDistinct("gradients", gradients.array(), "params", params);
        requireDistinct("params", params, "the momentum buffer", state.momentum);
        requireDistinct("gradients", gradients.array(), "the momentum buffer", state.momentum);
        requireSquares(gradients.squares(), layers);
        int beyond = gradients.nextMissing(layers.size());
        if (beyond >= 0) {
            throw new IllegalArgumentException(
                    "missing has layer " + beyond + "; it must be in [0, " + layers.size() + ")");
        }
    }

    /** Checks the weights that are saved or restored; {@code null} where there are none. */
    static void requireParams(float[] params, State state) {
        if (params != null) {
            requireLength("params", params, state.layers);
            requireDistinct("params", params, "the momentum buffer", state.momentum);
        }
    }

    /** Checks that sums are of the optimizer's layers, and that none that the step needs is absent. */
    static void requireSums(LayerSums sums, Gradients gradients, State state) {
        Layers layers = state.layers;
        sums.layers().requireSameNames("sums", layers);
        for (int i = 0; i < layers.size(); i++) {
            boolean products = state.needsProducts(i);
            if (!gradients.isMissing(i)
                    && !(sums.hasWeights(i) && sums.hasGradients(i) && (sums.hasProducts(i) || !products))) {
                throw new IllegalArgumentException("sums lacks one of layer \""
                        + layers.get(i).name() + "\" that the step needs; Σw² and Σg² are needed"
                        + (products ? ", and Σw·g" : ""));
            }
        }
    }

    static void requireLength(String name, float[] array, Layers layers) {
        if (array.length < layers.end()) {
            throw new IllegalArgumentException(name + " has length " + array.length + "; it must be at least "
                    + layers.end() + ", the end of the layers");
        }
    }

    /** Whether two arrays are one. */
    @SuppressWarnings("ReferenceEquality")
    static boolean same(float[] array, float[] other) {
        return array == other;
    }

    private static void requireDistinct(String name, float[] array, String otherName, float[] other) {
        if (same(array, other)) {
            throw new IllegalArgumentException(
                    name + " is the same array as " + otherName + "; they must be different arrays");
        }
    }

    private static void requireSquares(double[] squares, Layers layers) {
        if (squares == null) {
            return;
        }
        if (squares.length != layers.size()) {
            throw new IllegalArgumentException(
                    "squares has length " + squares.length + "; it must be " + layers.size() + ", one for each layer");
        }
        for (int i = 0; i < squares.length; i++) {
            if (squares[i] < 0) {
                throw new IllegalArgumentException("squares is " + squares[i] + " for layer \""
                        + layers.get(i).name() + "\"; a sum of squares must be 0 or more");
            }
        }
    }
}
