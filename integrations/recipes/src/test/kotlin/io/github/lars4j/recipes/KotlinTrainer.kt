package io.github.lars4j.recipes

import io.github.lars4j.Checkpoint
import io.github.lars4j.Lars
import io.github.lars4j.Layers
import io.github.lars4j.Schedule
import io.github.lars4j.rule.Treatment
import java.nio.file.Path
import kotlin.io.path.exists

/** The recipe for callers in Kotlin. */
class KotlinTrainer(private val backward: (weights: FloatArray, gradients: FloatArray) -> Double) {

    private val layers = Layers.builder()
        .addTensor("in.weight", 10, 6)
        .addTensor("norm.weight", 30)
        .addTensor("fc.weight", 30, 10)
        .addTensor("fc.bias", 30)
        .addTensor("out.weight", 4, 10)
        .addTensor("out.bias", 4)
        .treatOneDimensional(Treatment.PLAIN.withRateFactor(0.01))
        .build()

    /** Returns the loss of the last step. */
    fun train(weights: FloatArray, file: Path, steps: Int): Double {
        val gradients = FloatArray(weights.size)
        var loss = Double.NaN
        Lars.builder(layers)
            .learningRate(Schedule.polynomial(20.0, 2.0, 60).warmup(5))
            .momentum(0.9)
            .weightDecay(1e-4)
            .build().use { lars ->
                if (file.exists()) Checkpoint.load(file).restore(lars, weights)
                while (lars.steps() < steps) {
                    loss = lars.step(weights, gradients) { backward(weights, gradients) }.loss()
                }
                Checkpoint.save(file, lars, weights)
            }
        return loss
    }
}
