/**
 * Saving a file atomically, and the checksums of a checkpoint. Uses {@code safetensors} and {@code internal}; it does
 * not know what a checkpoint contains.
 */
package io.github.lars4j.internal.saving;
