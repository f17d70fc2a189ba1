package io.github.lars4j.rule;

/**
 * The values of a {@link Rule} that its constructor does not take, all off in {@link #NONE}. {@link Rule} describes
 * and checks them.
 */
record Refinements(
        Bounds ratioBounds,
        Bounds weightNormBounds,
        double gradientNormFloor,
        Rule.Decay decay,
        boolean shrink,
        double gradientClip,
        double gradientClipFloor) {

    static final Refinements NONE =
            new Refinements(Bounds.NONE, Bounds.NONE, 0, Rule.Decay.SCALED, false, Double.POSITIVE_INFINITY, 0);

    Refinements withRatioBounds(Bounds other) {
        return new Refinements(
                other, weightNormBounds, gradientNormFloor, decay, shrink, gradientClip, gradientClipFloor);
    }

    Refinements withWeightNormBounds(Bounds other) {
        return new Refinements(ratioBounds, other, gradientNormFloor, decay, shrink, gradientClip, gradientClipFloor);
    }

    Refinements withGradientNormFloor(double other) {
        return new Refinements(ratioBounds, weightNormBounds, other, decay, shrink, gradientClip, gradientClipFloor);
    }

    Refinements withDecay(Rule.Decay other) {
        return new Refinements(
                ratioBounds, weightNormBounds, gradientNormFloor, other, shrink, gradientClip, gradientClipFloor);
    }

    Refinements withShrink(boolean other) {
        return new Refinements(
                ratioBounds, weightNormBounds, gradientNormFloor, decay, other, gradientClip, gradientClipFloor);
    }

    Refinements withGradientClip(double factor, double floor) {
        return new Refinements(ratioBounds, weightNormBounds, gradientNormFloor, decay, shrink, factor, floor);
    }

    /** Returns the values that are not off, each after a comma. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        append(text, "ratioBounds", ratioBounds, NONE.ratioBounds);
        append(text, "weightNormBounds", weightNormBounds, NONE.weightNormBounds);
        append(text, "gradientNormFloor", gradientNormFloor, NONE.gradientNormFloor);
        append(text, "decay", decay, NONE.decay);
        append(text, "shrink", shrink, NONE.shrink);
        append(text, "gradientClip", gradientClip, NONE.gradientClip);
        append(text, "gradientClipFloor", gradientClipFloor, NONE.gradientClipFloor);
        return text.toString();
    }

    private static void append(StringBuilder text, String name, Object value, Object off) {
        if (!value.equals(off)) {
            text.append(", ").append(name).append('=').append(value);
        }
    }
}
