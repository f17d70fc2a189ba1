package io.github.lars4j;

import java.lang.foreign.MemorySegment;

/** Checks tensors and sums passed by a caller against the layers and the state. */
final class Arguments {

    private static final String BUFFER = "the momentum buffer";
    private static final String HALF_WEIGHTS = "halfWeights";

    private Arguments() {}

    /**
     * Checks the tensors that a step on so many threads reads and writes.
     *
     * @param halfWeights {@code null} if there are none
     */
    static void require(Tensors params, Gradients gradients, Tensors halfWeights, State state, int threads) {
        Layers layers = state.layers();
        requireParams(params, layers, true, threads);
        gradients.tensors().require("gradients", layers, false, threads);
        gradients.tensors().requireApart("gradients", params, "params", layers);
        if (state.momentum != null) {
            requireBuffer(state, threads);
            params.requireApart("params", state.momentum.tensors, BUFFER, layers);
            gradients.tensors().requireApart("gradients", state.momentum.tensors, BUFFER, layers);
        }
        if (halfWeights != null) {
            requireHalfWeights(halfWeights, params, state, threads);
            halfWeights.requireApart(HALF_WEIGHTS, gradients.tensors(), "gradients", layers);
        }
        requireSquares(gradients.squares(), layers);
        requireTrustRatios(gradients.trustRatios(), layers);
        int beyond = gradients.nextMissing(layers.size());
        if (beyond >= 0) {
            throw new IllegalArgumentException(
                    "missing has layer " + beyond + "; it must be in [0, " + layers.size() + ")");
        }
    }

    private static void requireParams(Tensors params, Layers layers, boolean written, int threads) {
        params.requireFormat("params", Format.FLOAT32);
        params.require("params", layers, written, threads);
    }

    private static void requireHalfWeights(Tensors halfWeights, Tensors params, State state, int threads) {
        halfWeights.requireFormat(HALF_WEIGHTS, Format.BFLOAT16);
        halfWeights.require(HALF_WEIGHTS, state.layers(), true, threads);
        halfWeights.requireApart(HALF_WEIGHTS, params, "params", state.layers());
        if (state.momentum != null) {
            halfWeights.requireApart(HALF_WEIGHTS, state.momentum.tensors, BUFFER, state.layers());
        }
    }

    /** Checks the momentum buffer in use: a caller may have closed its arena. */
    static void requireBuffer(State state, int threads) {
        if (state.momentum != null) {
            state.momentum.tensors.requireOpen(BUFFER, state.layers(), threads);
        }
    }

    /**
     * Checks the weights of a step that begins and goes layer by layer.
     *
     * @param halfWeights {@code null} if there are none
     */
    static void requireOpenStep(Tensors params, Tensors halfWeights, State state, int threads) {
        requireParams(params, state.layers(), true, threads);
        requireBuffer(state, threads);
        if (state.momentum != null) {
            params.requireApart("params", state.momentum.tensors, BUFFER, state.layers());
        }
        if (halfWeights != null) {
            requireHalfWeights(halfWeights, params, state, threads);
        }
    }

    /** Checks that the weights of a step that goes layer by layer, and their copies if there are any, are still open. */
    static void requireStillOpen(Tensors params, Tensors halfWeights, State state, int threads) {
        params.requireOpen("params", state.layers(), threads);
        if (halfWeights != null) {
            halfWeights.requireOpen(HALF_WEIGHTS, state.layers(), threads);
        }
    }

    /**
     * Checks the gradient of one layer, an array or a segment, and that the memory of the step is still open. It must not
     * visit all layers, because it is called for each of them.
     */
    static void requireGradient(
            Object gradient, Format format, int index, Tensors params, Tensors halfWeights, State state, int threads) {
        Layers layers = state.layers();
        requireStillOpen(params, halfWeights, state, threads);
        requireBuffer(state, threads);
        Layer layer = layers.get(index);
        long elements;
        if (gradient instanceof MemorySegment segment) {
            Tensors.requireNative("gradient", segment, format);
            Tensors.requireUsable("gradient", segment, threads);
            elements = segment.byteSize() / format.bytes();
        } else {
            elements = gradient instanceof float[] floats ? floats.length : ((short[]) gradient).length;
        }
        if (elements < layer.length()) {
            throw new IllegalArgumentException("gradient has " + elements + " elements of " + format
                    + "; it must have at least " + layer.length() + " for layer \"" + layer.name() + "\"");
        }
        long bytes = layer.length() * format.bytes();
        requireNotIn(params, "params", gradient, bytes, layers);
        if (state.momentum != null) {
            requireNotIn(state.momentum.tensors, BUFFER, gradient, bytes, layers);
        }
        if (halfWeights != null) {
            requireNotIn(halfWeights, HALF_WEIGHTS, gradient, bytes, layers);
        }
    }

    private static void requireNotIn(Tensors tensors, String name, Object gradient, long bytes, Layers layers) {
        int shared = tensors.sharing(layers, gradient, bytes);
        if (shared >= 0) {
            throw new IllegalArgumentException("gradient shares memory with " + name + " of layer \""
                    + layers.get(shared).name() + "\"; they must lie apart");
        }
    }

    /** Checks the momentum buffer that a caller gives. */
    static void requireMomentumBuffer(Tensors buffer, Setup setup, int threads) {
        Layers layers = setup.layers;
        if (!setup.mayHaveMomentum()) {
            throw new IllegalArgumentException("momentumBuffer is given with momentum 0; it needs momentum above 0");
        }
        if (buffer.format() == Format.FLOAT16) {
            throw new IllegalArgumentException("momentumBuffer is FLOAT16; it must be FLOAT32 or BFLOAT16");
        }
        buffer.require("momentumBuffer", layers, true, threads);
        for (int i = 0; i < layers.size(); i++) {
            Layer layer = layers.get(i);
            MemorySegment values = buffer.segment(layers, i);
            for (long e = 0; e < layer.length(); e++) {
                float value = buffer.format().get(values, e);
                if (!Float.isFinite(value)) {
                    throw new IllegalArgumentException("momentumBuffer is " + value + " at " + e + " of layer \""
                            + layer.name() + "\"; it must be finite");
                }
            }
        }
    }

    /** Checks the weights to save or restore; {@code null} means that there are none. */
    static void requireParams(Tensors params, boolean written, State state) {
        if (params != null) {
            requireParams(params, state.layers(), written, 1);
            if (state.momentum != null) {
                params.requireApart("params", state.momentum.tensors, BUFFER, state.layers());
            }
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
