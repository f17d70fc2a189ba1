package io.github.lars4j;

import io.github.lars4j.rule.Rule;
import io.github.lars4j.safetensors.SafeTensorsException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * What an optimizer was built with and what only calls between two steps change: layers, settings and groups, and the
 * {@link Profile} of each layer that follows from them. Immutable, except for the numbers of the present step in the
 * profiles, which only the optimizer uses that takes the step.
 */
final class Setup {

    final Layers layers;
    /** The optimizer's own settings, with all values except learning rate, rate factor and maximum norm. */
    final Settings settings;

    final List<Group> groups;
    private final List<Profile> profiles = new ArrayList<>();
    private final Profile[] ofLayers;
    /** The index of the group that clips each layer; -1 if the optimizer does. {@code null} if no group clips. */
    private final int[] clips;

    /**
     * Creates a setup.
     *
     * @throws IllegalArgumentException if values contradict each other, if two groups clip the same layer, or if two trust
     *     ratios of one's own have the same name
     */
    Setup(Layers layers, Settings settings, List<Group> groups) {
        this.layers = layers;
        this.settings = settings;
        this.groups = List.copyOf(groups);
        this.ofLayers = new Profile[layers.size()];
        settings.requireConsistent();
        requireOwnNames();
        Map<List<Object>, Profile> known = new HashMap<>();
        for (int i = 0; i < layers.size(); i++) {
            List<Object> key = new ArrayList<>();
            key.add(layers.get(i).treatment());
            for (int g = 0; g < groups.size(); g++) {
                if (groups.get(g).has(i)) {
                    key.add(g);
                }
            }
            Profile profile = known.get(key);
            if (profile == null) {
                profile = profile(i);
                known.put(key, profile);
                profiles.add(profile);
            }
            ofLayers[i] = profile;
        }
        this.clips = clips();
    }

    private Profile profile(int layer) {
        Layer of = layers.get(layer);
        Settings whole = settings;
        for (Group group : groups) {
            if (group.has(layer)) {
                whole = whole.with(group.settings());
            }
        }
        try {
            whole.requireConsistent();
            return new Profile(whole, of.treatment());
        } catch (IllegalArgumentException e) {
            List<String> names = groups.stream()
                    .filter(group -> group.has(layer))
                    .map(group -> "\"" + group.name() + "\"")
                    .toList();
            // The optimizer's own settings are consistent, so the layer is in a group.
            throw new IllegalArgumentException(
                    "layer \"" + of.name() + "\", with group " + String.join(", ", names) + ": " + e.getMessage(), e);
        }
    }

    private int[] clips() {
        if (groups.stream().allMatch(group -> Double.isNaN(group.settings().maxGradientNorm()))) {
            return null;
        }
        int[] by = new int[layers.size()];
        for (int i = 0; i < by.length; i++) {
            by[i] = -1;
            for (int g = 0; g < groups.size(); g++) {
                if (!groups.get(g).has(i)
                        || Double.isNaN(groups.get(g).settings().maxGradientNorm())) {
                    continue;
                }
                if (by[i] >= 0) {
                    throw new IllegalArgumentException("maxGradientNorm is given to the groups \""
                            + groups.get(by[i]).name() + "\" and \""
                            + groups.get(g).name() + "\", which share layer \""
                            + layers.get(i).name() + "\"; a layer must be clipped by at most one group");
                }
                by[i] = g;
            }
        }
        return by;
    }

    Profile profileOf(int layer) {
        return ofLayers[layer];
    }

    /** Returns whether a group clips. */
    boolean groupsClip() {
        return clips != null;
    }

    /** Returns the index of the group that clips a layer; -1 if the optimizer does. */
    int clipOf(int layer) {
        return clips == null ? -1 : clips[layer];
    }

    /** Returns the rules with a trust ratio of one's own, which may throw an exception. */
    List<Rule> ownRules() {
        List<Rule> own = new ArrayList<>();
        if (settings.rule().ratio() == Rule.Ratio.OWN) {
            own.add(settings.rule());
        }
        for (Group group : groups) {
            Rule rule = group.settings().rule();
            if (rule != null && rule.ratio() == Rule.Ratio.OWN) {
                own.add(rule);
            }
        }
        return own;
    }

    /** Checks that no two formulas have the same name, by which a checkpoint tells them apart. */
    private void requireOwnNames() {
        Map<Optional<String>, Rule> known = new HashMap<>();
        for (Rule rule : ownRules()) {
            Rule other = known.putIfAbsent(rule.ownName(), rule);
            if (other != null
                    && !(rule.ownRatio().equals(other.ownRatio())
                            && rule.needsProducts(true, 0) == other.needsProducts(true, 0))) {
                throw new IllegalArgumentException(
                        "rule has the trust ratio \"" + rule.ownName().get()
                                + "\", and a rule of the optimizer or of another group has a different one of the same name;"
                                + " give each formula its own name, or pass the same Rule");
            }
        }
    }

    /** Returns whether any layer may have momentum. */
    boolean mayHaveMomentum() {
        for (Profile profile : profiles) {
            if (profile.mayHaveMomentum) {
                return true;
            }
        }
        return false;
    }

    /** Returns whether the momentum of any layer is a schedule. */
    boolean momentumVaries() {
        for (int i = 0; i < profiles.size(); i++) {
            if (profiles.get(i).momentumVaries) {
                return true;
            }
        }
        return false;
    }

    /**
     * Sets the numbers of all profiles, except learning rates, to those of a step.
     *
     * @throws IllegalArgumentException if a schedule returns a number out of range
     */
    void setStep(long step) {
        for (int i = 0; i < profiles.size(); i++) {
            profiles.get(i).setStep(step);
        }
    }

    /**
     * Sets the learning rates of all profiles to those of a step.
     *
     * @param common the learning rate of the optimizer
     * @throws IllegalArgumentException if a schedule returns a rate out of range
     */
    void setLearningRates(long step, double common) {
        for (int i = 0; i < profiles.size(); i++) {
            profiles.get(i).setLearningRate(step, common);
        }
    }

    /**
     * Returns the index of the group with a name.
     *
     * @throws IllegalArgumentException if there is none
     */
    int group(String name) {
        int index = find(Objects.requireNonNull(name, "group"));
        if (index < 0) {
            throw new IllegalArgumentException("group is \"" + name + "\"; it must be the name of a group, one of "
                    + groups.stream().map(Group::name).toList());
        }
        return index;
    }

    private int find(String name) {
        for (int g = 0; g < groups.size(); g++) {
            if (groups.get(g).name().equals(name)) {
                return g;
            }
        }
        return -1;
    }

    Setup withSettings(Settings other) {
        return new Setup(layers, other, groups);
    }

    /** Returns this setup with other settings of a group. */
    Setup withSettings(int group, Settings other) {
        List<Group> changed = new ArrayList<>(groups);
        changed.set(group, groups.get(group).withSettings(other, layers));
        return new Setup(layers, settings, changed);
    }

    /** Returns this setup with one more group, which {@link #requireNew} checks. */
    Setup withGroup(Group group) {
        requireNew(group, groups);
        List<Group> more = new ArrayList<>(groups);
        more.add(group);
        return new Setup(layers, settings, more);
    }

    /**
     * Checks a group before it is added to others.
     *
     * @throws IllegalArgumentException if there is a group of this name, or none of the layers is in it
     */
    static void requireNew(Group group, List<Group> others) {
        if (others.stream().anyMatch(other -> other.name().equals(group.name()))) {
            throw new IllegalArgumentException("name is \"" + group.name() + "\"; there is such a group already");
        }
        if (group.layers().isEmpty()) {
            throw new IllegalArgumentException(
                    "group \"" + group.name() + "\" has no layers; at least one must be in it");
        }
    }

    /**
     * Returns the rule whose trust ratio is one's own and has this name.
     *
     * @throws IllegalArgumentException if there is none
     */
    Rule ownRule(String name) {
        for (Rule rule : ownRules()) {
            if (rule.ownName().equals(Optional.of(name))) {
                return rule;
            }
        }
        throw new IllegalArgumentException("the rule of the checkpoint has a trust ratio of its own, \"" + name
                + "\", and a file cannot contain its formula; the optimizer must have a rule of that name,"
                + " and its rule is " + settings.rule());
    }

    /**
     * Checks that the formula of every trust ratio is known.
     *
     * @throws IllegalArgumentException if a rule comes from a checkpoint, which contains only the formula's name
     */
    void requireKnownRatios() {
        for (Rule rule : ownRules()) {
            if (rule.ownRatio().equals(Optional.of(RuleText.UNKNOWN))) {
                throw new IllegalArgumentException("rule is " + rule
                        + " of a checkpoint, which contains the name of the trust ratio and not its formula; pass the"
                        + " rule itself");
            }
        }
    }

    /** Returns this setup with more layers, of which the first are the present ones. */
    Setup withLayers(Layers more) {
        List<Group> extended = new ArrayList<>();
        for (Group group : groups) {
            BitSet members = new BitSet();
            for (int i = 0; i < more.size(); i++) {
                members.set(
                        i, i < layers.size() ? group.has(i) : group.pattern().test(more.get(i)));
            }
            extended.add(new Group(group.name(), group.pattern(), group.settings(), more, members));
        }
        return new Setup(more, settings, extended);
    }

    /**
     * Returns this setup, of an optimizer that is being restored, after saved settings, groups and treatments have
     * replaced its own. Schedules and maximum norms are kept, and groups that are not among the saved ones. The saved
     * groups, in their order, take the places of this setup's groups with these names.
     *
     * @param from the index of the saved layer for each layer, or -1 if there is none; these layers keep their groups
     *     and treatments
     * @throws IllegalArgumentException if this setup lacks a saved group to which a layer belongs, if values contradict
     *     each other, or if a checkpoint of the restored setup could not be written
     */
    Setup restoredFrom(Setup saved, int[] from) {
        List<Group> common = new ArrayList<>();
        for (Group group : saved.groups) {
            int mine = find(group.name());
            if (mine >= 0) {
                common.add(groups.get(mine).restoredFrom(group, layers, from));
            } else if (Arrays.stream(from).anyMatch(layer -> layer >= 0 && group.has(layer))) {
                throw new IllegalArgumentException(
                        "the optimizer has no group " + SafeTensorsException.quote(group.name())
                                + ", which the saved state has; it must have a group of this name, and its groups are "
                                + groups.stream().map(Group::name).toList());
            }
        }
        List<Group> restored = new ArrayList<>();
        int next = 0;
        for (Group group : groups) {
            restored.add(saved.find(group.name()) < 0 ? group : common.get(next++));
        }
        Setup setup =
                new Setup(layers.withTreatmentsOf(saved.layers, from), settings.restoredFrom(saved.settings), restored);
        setup.requireUsable(saved, from);
        Savable.require(setup);
        return setup;
    }

    /**
     * Checks that the rules of this setup can use a saved momentum.
     *
     * @param from the index of the saved layer for each layer, or -1 if there is none
     * @throws IllegalArgumentException if there is a layer for which they cannot
     */
    void requireUsable(Setup saved, int[] from) {
        for (int i = 0; i < from.length; i++) {
            if (from[i] < 0 || !profileOf(i).mayHaveMomentum || !saved.profileOf(from[i]).mayHaveMomentum) {
                continue;
            }
            Rule.Entry mine = profileOf(i).rule.entry();
            Rule.Entry other = saved.profileOf(from[i]).rule.entry();
            if (mine != other) {
                throw new IllegalArgumentException("rule.entry is " + mine + " in the optimizer and " + other
                        + " in the saved state for layer \"" + layers.get(i).name()
                        + "\", so the momentum has another meaning; restore the state with its settings and its groups,"
                        + " and then a snapshot converted to the optimizer's rule");
            }
        }
    }
}
