/**
 * LARS as an optimizer of Deep Java Library, on the engine's own tensors.
 *
 * @since 1.0
 */
package io.github.lars4j.djl;
