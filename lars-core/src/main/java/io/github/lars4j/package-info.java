/**
 * LARS, layer-wise adaptive rate scaling, for trainers that keep their weights and gradients in flat {@code float[]}
 * arrays.
 *
 * <p>LARS is SGD with momentum in which each layer has its own learning rate: the global rate times a trust ratio, the
 * norm of the layer's weights divided by the norm of its gradient. It lets networks train with very large batches. For
 * small batches plain SGD is enough.
 *
 * <pre>{@code
 * Layers layers = Layers.builder()
 *         .addTensor("fc1.weight", 512, 784)
 *         .addTensor("fc1.bias", 512)
 *         .addTensor("fc2.weight", 10, 512)
 *         .addTensor("fc2.bias", 10)
 *         .treatOneDimensional(Treatment.PLAIN) // biases: no weight decay, no trust ratio
 *         .build();
 * float[] weights = initialWeights();
 * float[] gradients = new float[weights.length];
 *
 * try (Lars lars = Lars.builder(layers)
 *         .learningRate(Schedule.polynomial(2.0, 2, 10_000).warmup(500))
 *         .momentum(0.9)
 *         .weightDecay(1e-4)
 *         .build()) {
 *     for (Batch batch : batches) {
 *         backward(weights, batch, gradients);
 *         StepReport report = lars.step(weights, gradients);
 *     }
 *     Checkpoint.save(Path.of("run.safetensors"), lars, weights);
 * }
 * }</pre>
 *
 * <p>Where to start:
 *
 * <ul>
 *   <li>{@link io.github.lars4j.Layers} describes the network: names, shapes and treatment of the layers.
 *   <li>{@link io.github.lars4j.Lars} is the optimizer; {@link io.github.lars4j.Lars.Builder} lists its settings.
 *   <li>{@link io.github.lars4j.Schedule} computes the learning rate, with decay and {@link io.github.lars4j.Warmup warm-up}.
 *   <li>{@link io.github.lars4j.StepReport} shows norms, trust ratios and outcomes of a step.
 *   <li>{@link io.github.lars4j.Gradients} adds loss scaling, accumulation and layers without a gradient.
 *   <li>{@link io.github.lars4j.Checkpoint} saves and restores a run; {@link io.github.lars4j.PyTorchState} continues a
 *       run that was started in PyTorch.
 *   <li>{@link io.github.lars4j.rule.Dialects} contains the variants of LARS in other libraries.
 * </ul>
 *
 * <p>No argument may be {@code null} unless its description says so; a {@link java.lang.NullPointerException} names the
 * argument. A call that throws an exception because of an argument has changed nothing.
 *
 * @since 1.0
 */
package io.github.lars4j;
