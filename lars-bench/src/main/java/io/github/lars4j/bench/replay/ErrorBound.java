package io.github.lars4j.bench.replay;

import io.github.lars4j.Layer;
import io.github.lars4j.rule.Hyperparameters;
import io.github.lars4j.rule.Rule;
import io.github.lars4j.safetensors.SafeTensorsException;
import java.io.IOException;

/**
 * How far float steps may be from the truth of a {@link Recording}: a bound for each weight and each element of the
 * momentum, carried from step to step.
 *
 * <p><b>One step, without roundings.</b> With d = g + βw, the ratio and the learning rate enter as a factor i on the way
 * in and a factor o on the way out (see {@link Rule.Entry}): p = id, v' = μv + p, w' = w - oy, where y is v', or p + μv'
 * with Nesterov. So y = cp + mv, where c = 1 and m = μ, or c = 1 + μ and m = μ² with Nesterov; without momentum, y = p.
 * The rule gives the factors for the weights, the gradient and the momentum that the recording has before the step. The
 * bound depends on nothing that is recorded after the step, except by u|w'| (see below): a wrong step cannot excuse
 * itself.
 *
 * <p><b>How errors travel.</b> Let E and F bound the errors of w and v before the step, and ρ the relative error that
 * they make in the ratio, which is part of i or of o: ρᵢ = ρ and ρₒ = 0, or the reverse. Then, with a = iρᵢ(|d| + βE),
 *
 * <ul>
 *   <li>p is off by at most iβE + a, and v' by at most μF + iβE + a;
 *   <li>y by at most ciβE + z, where z = ca + mF;
 *   <li>w' by at most |1 - ociβ|E + oz + oρₒ(|y| + ciβE + z): its own error and the one in p are the same error.
 * </ul>
 *
 * <p><b>The ratio.</b> ‖w‖ is relatively off by at most ρ₁ = ‖E‖ / ‖w‖. As a function of ‖w‖, η‖w‖ / (‖g‖ + β‖w‖ + ε) is
 * 0 at 0, rises and is concave, so that its relative error is at most that of ‖w‖: ρ = ρ₁. Where it divides by ‖d‖,
 * which is relatively off by at most ρ₂ = β‖E‖ / ‖d‖, ρ = (1 + ρ₁) / (1 - ρ₂) - 1. The clip adds nothing: the relative
 * error of min(r/γ, 1) is at most that of r. A ratio that is always 1 has none.
 *
 * <p><b>Bounds, clips and other places of the decay.</b> Bounds of the ratio or of the gradient norm add no error. A
 * gradient that is clipped by ‖w‖ is relatively off by ρ₁, which is added to a and, where the ratio divides by ‖d‖, to the
 * error of ‖d‖. Decay beside the ratio is not off with the ratio. If ‖w‖ is bounded where it multiplies and not where it
 * divides, or if it clips the gradient, the ratio may be off by ρ₁ / (1 - ρ₁); as ρ₁ is at most 2⁻¹⁴, that is less than
 * u / 16 more than ρ₁, and lost in the room of the roundings.
 *
 * <p><b>Steps that are not judged.</b> A layer whose ρ exceeds {@link #MOST_OF_RATIO} is set back to the truth, rounded
 * to float. Where ρ exceeds it even then, roundings leave the ratio undetermined, and the step of that layer is not
 * judged. There are two such cases. If ‖w‖ is below about 2⁻¹³⁶, ‖E‖ / ‖w‖ is large because floats so small have few
 * digits; if float weights are 0, {@link Rule.ZeroNorm} gives another ratio altogether. And if g and βw cancel, and the
 * ratio divides by ‖d‖, d consists of roundings that the ratio magnifies: a step is also not judged if p, which is off
 * by up to 4ui(|g| + β|w|), is off by more than {@link #MOST_OF_RATIO} of its norm.
 *
 * <p><b>Roundings.</b> {@code StepAccuracyTest} counts them: with S = i(1 + ρᵢ)(|g| + β(|w| + E)) and K = μ(|v| + F) + S,
 * all that is added up in v', v' is rounded off by at most 4uK, u being 2⁻²⁴; the step oy by at most 7uT, T = o(1 + ρₒ)K,
 * or o(1 + ρₒ)(S + μK) with Nesterov; and the subtraction from w by u|w'|. A few of the least floats are added where
 * products underflow. Norms are taken in double and lost in the room that {@link #U} has; so is that of d, which is made of
 * three sums, because steps in which these cancel are not judged.
 *
 * <p><b>Growth.</b> Every step adds about u|w'| and 8u times the size of the update, so the bound grows with the number
 * of steps times the largest magnitudes that entered; ρ adds to that a share of every update. In the worst case the two
 * feed each other, and the bound grows by a factor with every multiple of its norm that a layer moves, while real
 * errors, of both signs, do not. A bound that has grown past use would let anything pass, so a layer that is set back
 * goes on from the truth.
 */
final class ErrorBound {

    /** The most that roundings may do to a ratio, relatively: less than what is an error of the ratio itself. */
    static final double MOST_OF_RATIO = 0x1p-14;

    /** Unit roundoff of a float, with room for what is rounded in double. */
    private static final double U = 0x1p-24 * 1.01;

    /** Twice what one product that underflows can be off by. */
    private static final double TINY = Float.MIN_VALUE;

    private final Recording recording;
    /** What the layer at hand runs with in the step at hand. */
    private Hyperparameters hyper;

    /** The truth before the last step that was taken, and after it; the momentum with the sign that it has here. */
    private double[] paramsBefore;

    private double[] params;
    private double[] momentumBefore;
    private double[] momentum;

    private final double[] paramsBound;
    private final double[] momentumBound;

    /** Whether each layer has had a gradient, so that the next one is dampened. */
    private final boolean[] begun;

    /** Whether roundings leave each layer's last step undetermined. */
    private final boolean[] undetermined;

    /**
     * Starts where the recording starts, with errors of 0.
     *
     * @throws SafeTensorsException if a recorded weight is not in the range of a float
     * @throws IOException if the recording cannot be read
     */
    ErrorBound(Recording recording) throws IOException {
        this.recording = recording;
        int n = recording.elements();
        this.paramsBefore = new double[n];
        this.params = new double[n];
        this.momentumBefore = new double[n];
        this.momentum = new double[n];
        this.paramsBound = new double[n];
        this.momentumBound = new double[n];
        this.begun = new boolean[recording.layers().size()];
        this.undetermined = new boolean[begun.length];
        read(0);
    }

    /** The weights after the last step, in truth. */
    double[] trueParams() {
        return params;
    }

    /** The momentum after the last step, in truth; zeros without momentum. */
    double[] trueMomentum() {
        return momentum;
    }

    /** The most that each weight may be off after the last step. */
    double[] params() {
        return paramsBound;
    }

    /** The most that each element of the momentum may be off after the last step. */
    double[] momentum() {
        return momentumBound;
    }

    /** Whether roundings leave a layer's last step undetermined; then there is no bound, until {@link #hold}. */
    boolean undetermined(int layer) {
        return undetermined[layer];
    }

    /**
     * Goes on to the truth after a step, and to the bound that holds there.
     *
     * @param step index of the step
     * @param gradient its gradient
     * @param floatParams the float run's weights before the step; written in layers that are set back
     * @param floatMomentum the float run's momentum before the step, written likewise; {@code null} without momentum
     * @throws SafeTensorsException if a recorded weight or momentum is not in the range of a float
     * @throws IOException if the recording cannot be read
     */
    void step(int step, float[] gradient, float[] floatParams, float[] floatMomentum) throws IOException {
        double[] swap = paramsBefore;
        paramsBefore = params;
        params = swap;
        swap = momentumBefore;
        momentumBefore = momentum;
        momentum = swap;
        read(step + 1);
        for (int i = 0; i < recording.layers().size(); i++) {
            if (recording.isMissing(step, i)) {
                continue;
            }
            Layer layer = recording.layers().get(i);
            hyper = recording.regime(i).steps().get(step);
            double ofWeights = weightsError(layer);
            double ratio = ratioError(layer, gradient, ofWeights);
            if (!(Math.max(ratio, clipError(ofWeights)) <= MOST_OF_RATIO)) {
                set(layer, paramsBefore, momentumBefore, floatParams, floatMomentum);
                ofWeights = weightsError(layer);
                ratio = ratioError(layer, gradient, ofWeights);
            }
            undetermined[i] = !(Math.max(ratio, clipError(ofWeights)) <= MOST_OF_RATIO
                    && cancellation(layer, gradient) <= MOST_OF_RATIO);
            if (!undetermined[i]) {
                double rate = recording.regime(i).rates().get(step);
                travel(layer, gradient, ratio, clipError(ofWeights), rate, begun[i]);
            }
            // A step without momentum between steps with it leaves nothing to dampen.
            begun[i] |= hyper.momentum() != 0;
        }
    }

    /**
     * Sets a layer to the truth after the last step, rounded to float; its bound is what the rounding makes.
     *
     * @param layer index of the layer
     * @param floatParams receives the weights
     * @param floatMomentum receives the momentum; {@code null} without momentum
     */
    void hold(int layer, float[] floatParams, float[] floatMomentum) {
        set(recording.layers().get(layer), params, momentum, floatParams, floatMomentum);
    }

    private void read(int stepsTaken) throws IOException {
        recording.trueParams(stepsTaken, params);
        requireFloats("params_f64", stepsTaken, params);
        if (recording.hasMomentum()) {
            recording.trueMomentum(stepsTaken, momentum);
            requireFloats("momentum_f64", stepsTaken, momentum);
            for (int i = 0; recording.momentumNegated() && i < momentum.length; i++) {
                momentum[i] = -momentum[i];
            }
        }
    }

    private void requireFloats(String tensor, int stepsTaken, double[] values) throws SafeTensorsException {
        for (Layer layer : recording.layers()) {
            for (int i = (int) layer.offset(); i < layer.end(); i++) {
                if (!Float.isFinite((float) values[i])) {
                    throw new SafeTensorsException(recording.name() + ": " + tensor + " after " + stepsTaken
                            + " steps is " + values[i] + " at element " + i
                            + "; it must be a number in the range of a float");
                }
            }
        }
    }

    /** β of a layer. */
    private double decay(Layer layer) {
        return layer.treatment().decay() ? hyper.weightDecay() : 0;
    }

    /** ρ₁. */
    private double weightsError(Layer layer) {
        // Sums of squares would be 0 where the truth has shrunk far below the least float.
        double errors = 0;
        double weights = 0;
        for (int i = (int) layer.offset(); i < layer.end(); i++) {
            errors = Math.hypot(errors, paramsBound[i]);
            weights = Math.hypot(weights, paramsBefore[i]);
        }
        return errors == 0 ? 0 : errors / weights;
    }

    /** The relative error of the factor by which the gradient is clipped. */
    private double clipError(double ofWeights) {
        return hyper.rule().gradientClip() < Double.POSITIVE_INFINITY ? ofWeights : 0;
    }

    /** ρ. */
    private double ratioError(Layer layer, float[] gradient, double ofWeights) {
        Rule rule = hyper.rule();
        double decay = decay(layer);
        if (ofWeights == 0 || !layer.treatment().adapt() || rule.ratio() == Rule.Ratio.UNIT) {
            return 0;
        }
        double left = 1;
        if (rule.needsProducts(true, decay)) {
            double errors = 0;
            double clipped = 0;
            for (int i = (int) layer.offset(); i < layer.end(); i++) {
                errors = Math.hypot(errors, paramsBound[i]);
                clipped = Math.hypot(clipped, gradient[i]);
            }
            left -= (decay * errors + clipError(ofWeights) * scale(layer, gradient) * clipped)
                    / decayedNorm(layer, gradient);
        }
        return left == 1 ? ofWeights : left > 0 ? (1 + ofWeights) / left - 1 : Double.POSITIVE_INFINITY;
    }

    /** The factor by which the gradient is clipped. */
    private double scale(Layer layer, float[] gradient) {
        double ww = 0;
        double gg = 0;
        for (int i = (int) layer.offset(); i < layer.end(); i++) {
            ww += paramsBefore[i] * paramsBefore[i];
            gg += (double) gradient[i] * gradient[i];
        }
        return hyper.rule().gradientScale(ww, gg);
    }

    /** The most that roundings of p may be of ‖p‖, if the ratio divides by ‖d‖; otherwise 0. */
    private double cancellation(Layer layer, float[] gradient) {
        double decay = decay(layer);
        if (!hyper.rule().needsProducts(layer.treatment().adapt(), decay)) {
            return 0;
        }
        double scale = scale(layer, gradient);
        double terms = 0;
        for (int i = (int) layer.offset(); i < layer.end(); i++) {
            terms = Math.hypot(terms, scale * Math.abs(gradient[i]) + decay * Math.abs(paramsBefore[i]));
        }
        return terms == 0 ? 0 : 4 * U * terms / decayedNorm(layer, gradient);
    }

    /** ‖d‖. */
    private double decayedNorm(Layer layer, float[] gradient) {
        double decay = decay(layer);
        double scale = scale(layer, gradient);
        double norm = 0;
        for (int i = (int) layer.offset(); i < layer.end(); i++) {
            norm = Math.hypot(norm, scale * gradient[i] + decay * paramsBefore[i]);
        }
        return norm;
    }

    private void set(Layer layer, double[] weights, double[] buffer, float[] floatParams, float[] floatMomentum) {
        for (int i = (int) layer.offset(); i < layer.end(); i++) {
            floatParams[i] = (float) weights[i];
            paramsBound[i] = Math.abs(floatParams[i] - weights[i]);
            if (floatMomentum != null) {
                floatMomentum[i] = (float) buffer[i];
                momentumBound[i] = Math.abs(floatMomentum[i] - buffer[i]);
            }
        }
    }

    private void travel(Layer layer, float[] gradient, double ratio, double ofClip, double rate, boolean dampened) {
        double mu = hyper.momentum();
        boolean nesterov = hyper.nesterov();
        double c = nesterov ? 1 + mu : 1;
        double m = nesterov ? mu * mu : mu;
        double ww = 0;
        double gg = 0;
        double wg = 0;
        for (int i = (int) layer.offset(); i < layer.end(); i++) {
            ww += paramsBefore[i] * paramsBefore[i];
            gg += (double) gradient[i] * gradient[i];
            wg += paramsBefore[i] * gradient[i];
        }
        Rule rule = hyper.rule();
        double scale = rule.gradientScale(ww, gg);
        gg *= scale * scale;
        wg *= scale;
        boolean adapt = layer.treatment().adapt();
        double r = rule.trustRatio(adapt, hyper.trustCoefficient(), decay(layer), rate, ww, gg, wg);
        double decay = rule.effectiveDecay(adapt, decay(layer), ww, gg, wg);
        // More than 1 of dampening reverses the gradient.
        double undampened = dampened && mu != 0 ? 1 - hyper.dampening() : 1;
        double entering = undampened * rule.entry().in(rate, r);
        double decaying = switch (rule.decay()) {
            case SCALED -> entering * decay;
            case BESIDE_RATIO -> undampened * rule.entry().in(rate, 1) * decay;
            case RATIO_ONLY -> 0;
        };
        boolean beside = rule.decay() == Rule.Decay.BESIDE_RATIO;
        double in = Math.abs(entering);
        double out = rule.entry().out(rate, r);
        boolean entersLast = rule.entry() == Rule.Entry.UPDATE;
        double ratioIn = entersLast ? 0 : ratio;
        double ratioOut = entersLast ? ratio : 0;
        for (int i = (int) layer.offset(); i < layer.end(); i++) {
            double w = Math.abs(paramsBefore[i]);
            double g = scale * Math.abs(gradient[i]);
            double v = Math.abs(momentumBefore[i]);
            double p = entering * scale * gradient[i] + decaying * paramsBefore[i];
            double y = Math.abs(c * p + m * momentumBefore[i]);
            double e = paramsBound[i];
            double f = momentumBound[i];

            double decayed = Math.abs(decaying) * e;
            double a = ratioIn * (beside ? in * g : Math.abs(p) + decayed) + ofClip * (1 + ratioIn) * in * g;
            double z = c * a + m * f;
            double travelled = Math.abs(1 - out * c * decaying) * e + out * z + out * ratioOut * (y + c * decayed + z);

            double s = (1 + ratioIn) * (1 + ofClip) * (in * g + Math.abs(decaying) * (w + e));
            double k = mu * (v + f) + s;
            double t = out * (1 + ratioOut) * (nesterov ? s + mu * k : k);
            double tiny = (3 + Math.abs(gradient[i]) + w + v) * TINY;
            // Where nothing is put out, nothing can underflow.
            double tinyOut = out == 0 ? 0 : out * c * tiny + (2 + s + k) * TINY;
            paramsBound[i] = (1 + U) * (travelled + 7 * U * t + tinyOut) + U * Math.abs(params[i]);
            momentumBound[i] = mu * f + decayed + a + 4 * U * k + tiny;
        }
    }
}
