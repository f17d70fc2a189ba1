/** LARS as an optimizer of Deep Java Library, on the engine's own tensors. */
package io.github.lars4j.djl;
