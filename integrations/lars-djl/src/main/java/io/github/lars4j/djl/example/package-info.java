/** Two programs: one trains on Fashion-MNIST, one times a step. */
package io.github.lars4j.djl.example;
