package io.github.lars4j.djl;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import io.github.lars4j.Layers;
import io.github.lars4j.rule.Treatment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The parameters of a block that can be trained, as layers. Their names are the paths of {@link Block#getParameters},
 * which are the same in every process, unlike the ids by which DJL calls an optimizer.
 */
final class BlockLayers {

    /** A treatment for the layers whose name contains a match. */
    record PatternTreatment(Pattern pattern, Treatment treatment) {}

    private final List<Parameter> parameters = new ArrayList<>();
    private final Map<String, Integer> indices = new HashMap<>();
    private final Layers layers;

    /**
     * Takes the parameters of a block, which must have their shapes.
     *
     * @param overrides treatments in place of the usual ones; the last that matches counts
     * @throws IllegalStateException if the block is not initialized
     * @throws IllegalArgumentException if a pattern matches no parameter
     */
    BlockLayers(Block block, List<PatternTreatment> overrides) {
        Layers.Builder builder = Layers.builder();
        for (Pair<String, Parameter> each : block.getParameters()) {
            String path = each.getKey();
            Parameter parameter = each.getValue();
            if (!parameter.isInitialized()) {
                throw new IllegalStateException("parameter " + path
                        + " is not initialized; initialize the trainer, or load the model, before (or is the optimizer that of"
                        + " another model?)");
            }
            // A block that is used twice has two paths, and its parameters one id.
            if (isTrained(parameter) && indices.putIfAbsent(parameter.getId(), parameters.size()) == null) {
                parameters.add(parameter);
                builder.addTensor(path, shape(parameter).getShape());
                if (isPlain(parameter)) {
                    builder.treat(Pattern.compile("^" + Pattern.quote(path) + "$"), Treatment.PLAIN);
                }
            }
        }
        overrides.forEach(each -> builder.treat(each.pattern(), each.treatment()));
        this.layers = builder.build();
    }

    /** Whether an update may come: not for running means and variances, nor for numbers that cannot be trained. */
    private static boolean isTrained(Parameter parameter) {
        return switch (parameter.getType()) {
            case RUNNING_MEAN, RUNNING_VAR -> false;
            default -> parameter.requiresGradient() || parameter.getArray().getDataType() == DataType.FLOAT32;
        };
    }

    private static boolean isPlain(Parameter parameter) {
        return switch (parameter.getType()) {
            case BIAS, GAMMA, BETA -> true;
            // Imported models call every parameter a weight.
            default -> shape(parameter).dimension() <= 1;
        };
    }

    /** The shape of the values: the parameters of imported models have none of their own. */
    private static Shape shape(Parameter parameter) {
        return parameter.getArray().getShape();
    }

    /** Returns the shape of a layer. */
    Shape shape(int layer) {
        return shape(parameters.get(layer));
    }

    Layers layers() {
        return layers;
    }

    List<Parameter> parameters() {
        return parameters;
    }

    Parameter parameter(int layer) {
        return parameters.get(layer);
    }

    /** Returns the index of the layer of a parameter, by its id in this process. */
    int index(String parameterId) {
        Integer index = indices.get(parameterId);
        if (index == null) {
            throw new IllegalArgumentException("parameterId is " + parameterId
                    + "; it must be that of a parameter of the block that the optimizer was built for");
        }
        return index;
    }

    /** Returns how many updates come in a step: one for each parameter that requires a gradient. */
    int updatesOfStep() {
        int count = 0;
        for (Parameter parameter : parameters) {
            count += parameter.requiresGradient() ? 1 : 0;
        }
        return count;
    }
}
