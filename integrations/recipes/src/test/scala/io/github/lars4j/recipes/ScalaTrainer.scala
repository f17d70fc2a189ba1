package io.github.lars4j.recipes

import io.github.lars4j.{Checkpoint, Lars, Layers, Schedule}
import io.github.lars4j.rule.Treatment
import java.nio.file.{Files, Path}
import scala.util.Using

/** The recipe for callers in Scala. */
class ScalaTrainer(backward: (Array[Float], Array[Float]) => Double):

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
  def train(weights: Array[Float], file: Path, steps: Int): Double =
    val gradients = Array.ofDim[Float](weights.length)
    var loss = Double.NaN
    Using.resource(
      Lars.builder(layers)
        .learningRate(Schedule.polynomial(20, 2, 60).warmup(5))
        .momentum(0.9)
        .weightDecay(1e-4)
        .build()
    ) { lars =>
      if Files.exists(file) then Checkpoint.load(file).restore(lars, weights)
      while lars.steps() < steps do
        loss = lars.step(weights, gradients, () => backward(weights, gradients)).loss()
      Checkpoint.save(file, lars, weights)
    }
    loss
