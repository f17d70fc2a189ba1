package io.github.lars4j;

import io.github.lars4j.internal.Checks;
import io.github.lars4j.rule.Treatment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Where the layers lie in the flat arrays, and how each is treated. Immutable, and safe for use by several threads.
 *
 * <p>Weights, gradients and momentum have this same layout. Gaps between layers are allowed and never touched, so
 * several optimizers over one array can serve as parameter groups. (Each then clips by the norm of its own layers; see
 * {@link Lars.Builder#maxGradientNorm}.)
 */
public final class Layers implements Iterable<Layer> {

    private final List<Layer> layers;
    private final Map<String, Integer> indices;
    private final long end;

    /**
     * Layers in an order, which is that of their indices.
     *
     * @param layers in the order of their indices; their places need not be in order
     * @throws NullPointerException if {@code layers}, or one of them, is {@code null}
     * @throws IllegalArgumentException if there are none, two have one name, or two overlap
     */
    public Layers(List<Layer> layers) {
        this.layers = Checks.copyOf("layers", layers);
        if (this.layers.isEmpty()) {
            throw new IllegalArgumentException("layers is empty; at least one layer is needed");
        }
        this.indices = new HashMap<>();
        for (int i = 0; i < this.layers.size(); i++) {
            String name = this.layers.get(i).name();
            if (indices.put(name, i) != null) {
                throw new IllegalArgumentException(
                        "name \"" + name + "\" is given to two layers; names must be unique");
            }
        }
        List<Layer> placed = new ArrayList<>(this.layers);
        placed.sort(Comparator.comparingLong(Layer::offset).thenComparingLong(Layer::end));
        for (int i = 1; i < placed.size(); i++) {
            Layer before = placed.get(i - 1);
            Layer layer = placed.get(i);
            if (layer.offset() < before.end()) {
                throw new IllegalArgumentException("offset of layer \"" + layer.name() + "\" is " + layer.offset()
                        + "; layer \"" + before.name() + "\" lies at [" + before.offset() + ", " + before.end() + ")");
            }
        }
        this.end = placed.getLast().end();
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Number of layers. */
    public int size() {
        return layers.size();
    }

    /**
     * The layer at an index.
     *
     * @throws IndexOutOfBoundsException if {@code index} is not in {@code [0, size())}
     */
    public Layer get(int index) {
        return layers.get(checked("index", index));
    }

    /**
     * Checks the index of a layer.
     *
     * @return {@code index}
     * @throws IndexOutOfBoundsException if there is no such layer, calling the index {@code what}
     */
    int checked(String what, int index) {
        if (index < 0 || index >= layers.size()) {
            throw new IndexOutOfBoundsException(what + " is " + index + "; it must be in [0, " + layers.size() + ")");
        }
        return index;
    }

    /**
     * The index of the layer of a name.
     *
     * @throws IllegalArgumentException if no layer has this name
     */
    public int index(String name) {
        Integer index = indices.get(Objects.requireNonNull(name, "name"));
        if (index == null) {
            throw new IllegalArgumentException("name is \"" + name + "\"; it must be that of a layer");
        }
        return index;
    }

    /** Whether there is a layer of a name. */
    boolean has(String name) {
        return indices.containsKey(name);
    }

    /** These layers where they lie, each {@code i} treated as the other {@code from[i]} is; of -1, as it was. */
    Layers withTreatmentsOf(Layers others, int[] from) {
        List<Layer> treated = new ArrayList<>();
        for (int i = 0; i < size(); i++) {
            treated.add(
                    from[i] < 0
                            ? get(i)
                            : get(i).withTreatment(others.get(from[i]).treatment()));
        }
        return new Layers(treated);
    }

    /**
     * Checks that these layers are named as others are.
     *
     * @throws IllegalArgumentException if these, called {@code what}, are not named as {@code others} are, in order
     */
    void requireSameNames(String what, Layers others) {
        if (size() != others.size()) {
            throw new IllegalArgumentException(what + " has " + size() + " layers; it must have " + others.size());
        }
        for (int i = 0; i < size(); i++) {
            if (!get(i).name().equals(others.get(i).name())) {
                throw new IllegalArgumentException(what + " has layer \"" + get(i).name() + "\" at index " + i
                        + "; it must be \"" + others.get(i).name() + "\"");
            }
        }
    }

    /** As {@link #requireSameNames}, and with the same lengths. */
    void requireSameTensors(String what, Layers others) {
        requireSameNames(what, others);
        for (int i = 0; i < size(); i++) {
            if (get(i).length() != others.get(i).length()) {
                throw new IllegalArgumentException(what + " has length " + get(i).length() + " of layer \""
                        + get(i).name() + "\"; it must be " + others.get(i).length());
            }
        }
    }

    /** Index behind the last element of the last layer: the least length of the arrays. */
    public long end() {
        return end;
    }

    @Override
    public Iterator<Layer> iterator() {
        return layers.iterator();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Layers that && layers.equals(that.layers);
    }

    @Override
    public int hashCode() {
        return layers.hashCode();
    }

    /** A table of the layers, a line each. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (Layer layer : layers) {
            Treatment treatment = layer.treatment();
            text.append(String.format(
                    Locale.ROOT,
                    "%-40s %12d at %-12d %-8s %-8s rate x %s%n",
                    layer.name(),
                    layer.length(),
                    layer.offset(),
                    treatment.decay() ? "decay" : "-",
                    treatment.adapt() ? "adapt" : "-",
                    treatment.rateFactor()));
        }
        return text.toString();
    }

    /**
     * Lists layers one after the other, each behind the one before unless told otherwise. The {@code treat} methods
     * change the layers added so far and no later ones; where none is called, nothing is excluded.
     *
     * <p>A treatment replaces the layer's earlier one as a whole: of several that apply to a layer, the last alone
     * counts, and nothing is left of the others. Here {@code bn1.bias} ends with the full learning rate:
     *
     * <pre>{@code
     * builder.treat(Pattern.compile("bias$"), Treatment.FULL.withRateFactor(0.01))    // biases: rate x 0.01
     *         .treat(Pattern.compile("^bn"), Treatment.PLAIN)                          // bn1.bias: rate x 1 again
     * }</pre>
     *
     * <p>For a layer to which both apply, a third call says both:
     *
     * <pre>{@code
     *         .treat(Pattern.compile("^bn.*bias$"), Treatment.PLAIN.withRateFactor(0.01))
     * }</pre>
     */
    public static final class Builder {

        private final List<Layer> layers = new ArrayList<>();
        private final BitSet shaped = new BitSet();
        private long next;

        private Builder() {}

        /** Adds a layer of {@code length} elements with {@link Treatment#FULL}. */
        public Builder add(String name, long length) {
            return add(name, length, Treatment.FULL);
        }

        /** Adds a layer of {@code length} elements. */
        public Builder add(String name, long length, Treatment treatment) {
            return add(new Layer(name, next, List.of(length), length, treatment));
        }

        /** Adds a layer of a shape, the outermost dimension first; no dimension is a scalar. */
        public Builder addTensor(String name, long... shape) {
            Objects.requireNonNull(shape, "shape");
            List<Long> dimensions = new ArrayList<>();
            for (long dimension : shape) {
                dimensions.add(dimension);
            }
            Layer layer = new Layer(name, next, dimensions, Layer.elements(name, dimensions), Treatment.FULL);
            shaped.set(layers.size());
            return add(layer);
        }

        private Builder add(Layer layer) {
            layers.add(layer);
            next = layer.end();
            return this;
        }

        /**
         * Places the next layer at {@code offset}, wherever the last one ended.
         *
         * @throws IllegalArgumentException if it is negative
         */
        public Builder at(long offset) {
            if (offset < 0) {
                throw new IllegalArgumentException("offset is " + offset + "; it must be 0 or more");
            }
            next = offset;
            return this;
        }

        /**
         * Treats every layer added so far in whose name {@code pattern} is found. The treatment replaces the layer's
         * earlier one as a whole.
         *
         * @throws IllegalArgumentException if {@code pattern} is found in the name of none; use {@link
         *     #treatIfPresent} where that is no mistake
         */
        public Builder treat(Pattern pattern, Treatment treatment) {
            Objects.requireNonNull(pattern, "pattern");
            Objects.requireNonNull(treatment, "treatment");
            if (layers.stream().noneMatch(layer -> pattern.matcher(layer.name()).find())) {
                throw new IllegalArgumentException("pattern is \"" + pattern
                        + "\"; it must be found in the name of a layer added so far: " + firstNames());
            }
            return treatIfPresent(pattern, treatment);
        }

        /** The names of the first three layers. */
        private String firstNames() {
            if (layers.isEmpty()) {
                return "there is none yet";
            }
            String names = layers.stream()
                    .limit(3)
                    .map(layer -> "\"" + layer.name() + "\"")
                    .collect(Collectors.joining(", "));
            return names + (layers.size() > 3 ? " and " + (layers.size() - 3) + " more" : "");
        }

        /** As {@link #treat}, but does nothing where {@code pattern} is found in the name of no layer. */
        public Builder treatIfPresent(Pattern pattern, Treatment treatment) {
            Objects.requireNonNull(pattern, "pattern");
            Objects.requireNonNull(treatment, "treatment");
            layers.replaceAll(layer -> pattern.matcher(layer.name()).find() ? layer.withTreatment(treatment) : layer);
            return this;
        }

        /**
         * Treats every tensor added so far that has at most one dimension: biases, normalisation, scalars. The
         * treatment replaces the layer's earlier one as a whole. A network may have no such tensor; then nothing
         * changes.
         *
         * @throws IllegalStateException if no layer was added yet, or if one was added by its length alone, so that its
         *     dimensions are not known
         */
        public Builder treatOneDimensional(Treatment treatment) {
            Objects.requireNonNull(treatment, "treatment");
            if (layers.isEmpty()) {
                throw new IllegalStateException(
                        "treatOneDimensional was called before a layer was added; it treats the layers added so far");
            }
            if (shaped.cardinality() < layers.size()) {
                throw new IllegalStateException(
                        "layer \"" + layers.get(shaped.nextClearBit(0)).name()
                                + "\" was added by its length; use addTensor for layers to be told apart by their dimensions");
            }
            layers.replaceAll(layer -> layer.shape().size() <= 1 ? layer.withTreatment(treatment) : layer);
            return this;
        }

        /**
         * Builds the layers.
         *
         * @throws IllegalArgumentException if there are no layers, two have one name, or two overlap
         */
        public Layers build() {
            return new Layers(layers);
        }
    }
}
