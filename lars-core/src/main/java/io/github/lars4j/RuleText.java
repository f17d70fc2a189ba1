package io.github.lars4j;

import io.github.lars4j.rule.Bounds;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.rule.TrustRatio;
import java.util.Map;

/**
 * Converts a rule to the metadata of a checkpoint and back. The entries of format 1 are always there. Those of format 2
 * are there only if their value is not the one that every rule of format 1 has.
 */
final class RuleText {

    /** Stands for a formula of one's own in a rule that was read from a file, which contains only its name. */
    static final TrustRatio UNKNOWN = (weightNorm, gradientNorm, products, eta, decay, rate, layer, step) -> {
        throw new IllegalStateException("a checkpoint contains the name of a trust ratio, not its formula");
    };

    /** Returns a rule with this name, for a formula that is not known. */
    static Rule unknown(String name) {
        return Rule.of(name, Rule.Entry.VELOCITY, false, UNKNOWN);
    }

    private static final String PREFIX = "rule.";
    private static final String OWN = PREFIX + "own";
    private static final String RATIO_BOUNDS = PREFIX + "ratioBounds";
    private static final String WEIGHT_NORM_BOUNDS = PREFIX + "weightNormBounds";
    private static final String FLOOR = PREFIX + "gradientNormFloor";
    private static final String DECAY = PREFIX + "decay";
    private static final String SHRINK = PREFIX + "shrink";
    private static final String GRADIENT_CLIP = PREFIX + "gradientClip";

    private RuleText() {}

    /** Returns whether only format 2 can express this rule. */
    static boolean needsFormatTwo(Rule rule) {
        boolean ofFormatOne = switch (rule.ratio()) {
            case SUM, DECAYED, RAW -> true;
            case NORMALIZED, UNIT, OWN -> false;
        };
        return !(ofFormatOne && rule.equals(basic(rule)));
    }

    private static Rule basic(Rule rule) {
        return new Rule(
                rule.ratio(), rule.entry(), rule.zeroNorm(), rule.clip(), rule.adaptWithoutDecay(), rule.epsilon());
    }

    /** Adds the entries of a rule. */
    static void write(Rule rule, Map<String, String> text) {
        text.put("rule.ratio", rule.ratio().name());
        text.put("rule.entry", rule.entry().name());
        text.put("rule.zeroNorm", rule.zeroNorm().name());
        text.put("rule.clip", String.valueOf(rule.clip()));
        text.put("rule.adaptWithoutDecay", String.valueOf(rule.adaptWithoutDecay()));
        text.put("rule.epsilon", String.valueOf(rule.epsilon()));
        rule.ownName().ifPresent(name -> text.put(OWN, name));
        writeBounds(rule.ratioBounds(), RATIO_BOUNDS, text);
        writeBounds(rule.weightNormBounds(), WEIGHT_NORM_BOUNDS, text);
        if (rule.gradientNormFloor() != 0) {
            text.put(FLOOR, String.valueOf(rule.gradientNormFloor()));
        }
        if (rule.decay() != Rule.Decay.SCALED) {
            text.put(DECAY, rule.decay().name());
        }
        if (rule.shrink()) {
            text.put(SHRINK, "true");
        }
        if (rule.gradientClip() != Double.POSITIVE_INFINITY) {
            text.put(GRADIENT_CLIP, rule.gradientClip() + " " + rule.gradientClipFloor());
        }
    }

    private static void writeBounds(Bounds bounds, String key, Map<String, String> text) {
        if (!bounds.equals(Bounds.NONE)) {
            text.put(key, bounds.least() + " " + bounds.most());
        }
    }

    /**
     * Reads the entries of a rule.
     *
     * @param own a rule with the same formula, which the file does not contain, if the rule's is one's own; otherwise it
     *     is not used
     * @throws IllegalArgumentException if an entry is missing or {@link #write} cannot have written it; not for all
     *     such entries
     */
    static Rule read(Map<String, String> text, Rule own) {
        Rule.Ratio ratio = Rule.Ratio.valueOf(Manifest.value(text, "rule.ratio"));
        Rule.Entry entry = Rule.Entry.valueOf(Manifest.value(text, "rule.entry"));
        Rule rule = ratio == Rule.Ratio.OWN
                ? Rule.of(
                        Manifest.value(text, OWN),
                        entry,
                        own.needsProducts(true, 0),
                        own.ownRatio().get())
                : new Rule(
                        ratio,
                        entry,
                        Rule.ZeroNorm.valueOf(Manifest.value(text, "rule.zeroNorm")),
                        Boolean.parseBoolean(Manifest.value(text, "rule.clip")),
                        Boolean.parseBoolean(Manifest.value(text, "rule.adaptWithoutDecay")),
                        Double.parseDouble(Manifest.value(text, "rule.epsilon")));
        if (text.containsKey(RATIO_BOUNDS)) {
            double[] bounds = numbers(text, RATIO_BOUNDS);
            rule = rule.withRatioBounds(bounds[0], bounds[1]);
        }
        if (text.containsKey(WEIGHT_NORM_BOUNDS)) {
            double[] bounds = numbers(text, WEIGHT_NORM_BOUNDS);
            rule = rule.withWeightNormBounds(bounds[0], bounds[1]);
        }
        if (text.containsKey(FLOOR)) {
            rule = rule.withGradientNormFloor(Double.parseDouble(text.get(FLOOR)));
        }
        if (text.containsKey(DECAY)) {
            rule = rule.withDecay(Rule.Decay.valueOf(text.get(DECAY)));
        }
        if (text.containsKey(SHRINK)) {
            rule = rule.withShrink(Boolean.parseBoolean(text.get(SHRINK)));
        }
        if (text.containsKey(GRADIENT_CLIP)) {
            double[] clip = numbers(text, GRADIENT_CLIP);
            rule = rule.withGradientClip(clip[0], clip[1]);
        }
        return rule;
    }

    /** Reads two numbers with a space between them. */
    private static double[] numbers(Map<String, String> text, String key) {
        String[] fields = text.get(key).split(" ", -1);
        if (fields.length != 2) {
            throw new IllegalArgumentException(key + " has " + fields.length + " fields");
        }
        return new double[] {Double.parseDouble(fields[0]), Double.parseDouble(fields[1])};
    }
}
