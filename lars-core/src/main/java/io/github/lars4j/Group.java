package io.github.lars4j;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.Predicate;

/**
 * A named group of layers with hyperparameters of its own, like a parameter group of PyTorch. {@link
 * Lars.Builder#group} adds groups. Immutable and safe for use by several threads.
 */
public final class Group {

    private final String name;
    private final Predicate<Layer> pattern;
    private final Settings settings;
    private final List<String> names;
    private final BitSet members;

    /**
     * Creates a group.
     *
     * @param pattern decides whether a layer that is added later belongs to it; {@code null} in a checkpoint
     * @param members the indices of its layers; not copied
     */
    Group(String name, Predicate<Layer> pattern, Settings settings, Layers layers, BitSet members) {
        this.name = name;
        this.pattern = pattern;
        this.settings = settings;
        this.members = members;
        List<String> ofMembers = new ArrayList<>();
        members.stream().forEach(layer -> ofMembers.add(layers.get(layer).name()));
        this.names = List.copyOf(ofMembers);
    }

    /** Creates a group of the layers that match. */
    static Group of(String name, Predicate<Layer> pattern, Settings settings, Layers layers) {
        BitSet members = new BitSet();
        for (int i = 0; i < layers.size(); i++) {
            members.set(i, pattern.test(layers.get(i)));
        }
        return new Group(name, pattern, settings, layers, members);
    }

    /** Returns the name. */
    public String name() {
        return name;
    }

    /** Returns the values that the group gives. */
    public Settings settings() {
        return settings;
    }

    /** Returns the names of the layers, in the optimizer's order. */
    public List<String> layers() {
        return names;
    }

    /** Returns whether the layer with this index is in the group. */
    boolean has(int layer) {
        return members.get(layer);
    }

    Predicate<Layer> pattern() {
        return pattern;
    }

    /**
     * Returns this group, of an optimizer that is being restored, with the settings and the layers of a saved one.
     *
     * @param from the index of the saved layer for each layer, or -1 if there is none; these layers stay in this group
     *     or outside it
     */
    Group restoredFrom(Group saved, Layers layers, int[] from) {
        BitSet restored = new BitSet();
        for (int i = 0; i < from.length; i++) {
            restored.set(i, from[i] < 0 ? has(i) : saved.has(from[i]));
        }
        return new Group(name, pattern, settings.restoredFrom(saved.settings), layers, restored);
    }

    Group withSettings(Settings other, Layers layers) {
        return new Group(name, pattern, other, layers, members);
    }

    /** Returns the name, the settings and the layers. */
    @Override
    public String toString() {
        return "group \"" + name + "\" (" + settings + "): " + names;
    }
}
