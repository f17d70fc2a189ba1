package io.github.lars4j;

import java.util.Objects;

/** Checks arrays and sums passed by a caller against the layers and the state. */
final class Arguments {

    private Arguments() {}

    /** Checks the arrays that a step reads and writes. */
    static void require(float[] params, Gradients gradients, State state) {
        Objects.requireNonNull(params, "params");
        Objects.requireNonNull(gradients, "gradients");
        Layers layers = state.layers();
        requireLength("params", params, layers);
        requireLength("gradients", gradients.array(), layers);
        requireDistinct("gradients", gradients.array(), "params", params);
        requireDistinct("params", params, "the momentum buffer", state.momentum);
        requireDistinct("gradients", gradients.array(), "the momentum buffer", state.momentum);
        requireSquares(gradients.squares(), layers);
        requireTrustRatios(gradients.trustRatios(), layers);
        int beyond = gradients.nextMissing(layers.size());
        if (beyond >= 0) {
            throw new IllegalArgumentException(
                    "missing has layer " + beyond + "; it must be in [0, " + layers.size() + ")");
        }
    }

    /** Checks the momentum buffer of a caller. */
    static void requireMomentumBuffer(float[] buffer, Setup setup) {
        Layers layers = setup.layers;
        if (!setup.mayHaveMomentum()) {
            throw new IllegalArgumentException("momentumBuffer is given with momentum 0; it needs momentum above 0");
        }
        requireLength("momentumBuffer", buffer, layers);
        for (Layer layer : layers) {
            for (int i = (int) layer.offset(); i < layer.end(); i++) {
                if (!Float.isFinite(buffer[i])) {
                    throw new IllegalArgumentException("momentumBuffer is " + buffer[i] + " at " + i + ", in layer \""
                            + layer.name() + "\"; it must be finite");
                }
            }
        }
    }

    /** Checks the weights to save or restore; {@code null} means that there are none. */
    static void requireParams(float[] params, State state) {
        if (params != null) {
            requireLength("params", params, state.layers());
            requireDistinct("params", params, "the momentum buffer", state.momentum);
        }
    }

    /** Checks that the sums belong to the optimizer's layers and that every sum the step needs is present. */
    static void requireSums(LayerSums sums, Gradients gradients, State state) {
        Layers layers = state.layers();
        sums.layers().requireSameNames("sums", layers);
        for (int i = 0; i < layers.size(); i++) {
            boolean products = state.setup.profileOf(i).needsProducts;
            if (!gradients.isMissing(i)
                    && !(sums.hasWeights(i) && sums.hasGradients(i) && (sums.hasProducts(i) || !products))) {
                throw new IllegalArgumentException("sums is incomplete for layer \""
                        + layers.get(i).name() + "\"; it must have Σw² and Σg²"
                        + (products ? " and Σw·g" : ""));
            }
        }
    }

    static void requireLength(String name, float[] array, Layers layers) {
        if (array.length < layers.end()) {
            throw new IllegalArgumentException(name + " has length " + array.length + "; it must be at least "
                    + layers.end() + ", the end of the layers");
        }
    }

    /** Returns whether two references are to the same array. */
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

    private static void requireTrustRatios(double[] ratios, Layers layers) {
        if (ratios == null) {
            return;
        }
        if (ratios.length != layers.size()) {
            throw new IllegalArgumentException("trustRatios has length " + ratios.length + "; it must be "
                    + layers.size() + ", one for each layer");
        }
        for (int i = 0; i < ratios.length; i++) {
            if (ratios[i] < 0 || ratios[i] == Double.POSITIVE_INFINITY) {
                throw new IllegalArgumentException("trustRatios is " + ratios[i] + " for layer \""
                        + layers.get(i).name() + "\"; it must be finite and 0 or more, or NaN");
            }
        }
    }
}
