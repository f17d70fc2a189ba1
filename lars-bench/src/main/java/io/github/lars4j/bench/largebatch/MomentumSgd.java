package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.Schedule;
import io.github.lars4j.bench.files.OutputFile;
import io.github.lars4j.safetensors.SafeTensorsFile;
import io.github.lars4j.safetensors.SafeTensorsWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** SGD with Nesterov momentum, the baseline, as PyTorch has it: {@code d = g + βw;  v = μv + d;  w = w - γ(d + μv)}. */
final class MomentumSgd implements Optimizer {

    private final Layers layers;
    private final Schedule schedule;
    private final float momentum;
    private final float weightDecay;

    private final float[] velocity;
    private long steps;

    /**
     * Makes an optimizer.
     *
     * @param layers the layout of the weights; of their treatment, the decay and the rate factor apply
     * @param schedule γ
     * @param momentum μ
     * @param weightDecay β
     */
    MomentumSgd(Layers layers, Schedule schedule, double momentum, double weightDecay) {
        this.layers = layers;
        this.schedule = schedule;
        this.momentum = (float) momentum;
        this.weightDecay = (float) weightDecay;
        this.velocity = new float[(int) layers.end()];
    }

    @Override
    public void step(float[] weights, float[] gradients) {
        double rate = schedule.rate(steps++);
        for (Layer layer : layers) {
            float layerRate = (float) (rate * layer.treatment().rateFactor());
            float decay = layer.treatment().decay() ? weightDecay : 0;
            update(weights, gradients, (int) layer.offset(), (int) layer.end(), layerRate, decay);
        }
    }

    private void update(float[] weights, float[] gradients, int from, int to, float rate, float decay) {
        for (int i = from; i < to; i++) {
            float d = gradients[i] + decay * weights[i];
            velocity[i] = momentum * velocity[i] + d;
            weights[i] -= rate * (d + momentum * velocity[i]);
        }
    }

    @Override
    public double trustRatio(int layer) {
        return 1;
    }

    @Override
    public long steps() {
        return steps;
    }

    @Override
    public void save(Path file, float[] weights) throws IOException {
        List<Long> shape = List.of((long) velocity.length);
        SafeTensorsWriter writer = new SafeTensorsWriter()
                .metadata("steps", Long.toString(steps))
                .floats("weights", shape, weights, 0)
                .floats("velocity", shape, velocity, 0);
        OutputFile.write(file, writer::writeTo);
    }

    @Override
    public void restore(Path file, float[] weights) throws IOException {
        try (SafeTensorsFile saved = SafeTensorsFile.open(file)) {
            saved.readFloats("weights", weights, 0);
            saved.readFloats("velocity", velocity, 0);
            steps = Long.parseLong(saved.metadata().get("steps"));
        }
    }

    @Override
    public void close() {
        // There are no threads to end.
    }
}
