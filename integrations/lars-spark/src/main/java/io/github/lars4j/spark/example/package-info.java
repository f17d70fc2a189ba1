/** Two programs for {@code spark-submit}: one trains on Fashion-MNIST, one times the parts of a step. */
package io.github.lars4j.spark.example;
