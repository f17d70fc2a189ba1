package io.github.lars4j.bench.largebatch;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a search chooses.
 *
 * @param rate the learning rate after the warm-up, more than 0
 * @param warmup share of all steps in which the learning rate warms up, 0 to 1
 * @param decayPower power of the polynomial decay of the learning rate to 0 after that, more than 0
 * @param momentum μ, between 0 and 1
 * @param weightDecay β of the weight matrices, at least 0
 * @param oneDimensionalFactor factor of the learning rate of biases, and of the normalisation's scale and shift,
 *     at least 0
 */
record SampledHyperparameters(
        double rate,
        double warmup,
        double decayPower,
        double momentum,
        double weightDecay,
        double oneDimensionalFactor) {

    /** The values by name, in this order. */
    Map<String, Object> json() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("rate", rate);
        json.put("warmup", warmup);
        json.put("decayPower", decayPower);
        json.put("momentum", momentum);
        json.put("weightDecay", weightDecay);
        json.put("oneDimensionalFactor", oneDimensionalFactor);
        return json;
    }
}
