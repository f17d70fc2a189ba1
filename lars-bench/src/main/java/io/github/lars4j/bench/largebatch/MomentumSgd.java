package io.github.lars4j.bench.largebatch;

import io.github.lars4j.Layer;
import io.github.lars4j.Layers;
import io.github.lars4j.Schedule;

/** SGD with momentum: {@code v = μv + (g + βw);  w = w - γv}. What LARS is compared with. */
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
     * @param layers where the weights lie; of their treatment, decay and rate factor hold here
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
            velocity[i] = momentum * velocity[i] + (gradients[i] + decay * weights[i]);
            weights[i] -= rate * velocity[i];
        }
    }

    @Override
    public double trustRatio(int layer) {
        return 1;
    }

    @Override
    public void save(Trainer.State state) {
        state.velocity = velocity.clone();
        state.steps = steps;
    }

    @Override
    public void restore(Trainer.State state) {
        System.arraycopy(state.velocity, 0, velocity, 0, velocity.length);
        steps = state.steps;
    }

    @Override
    public void close() {
        // It has no threads to end.
    }
}
