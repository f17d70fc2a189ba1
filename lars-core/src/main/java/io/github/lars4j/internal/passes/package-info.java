/**
 * The two passes of a step over memory, the plan of their work, and the threads that share it. Uses {@code rule} and
 * {@code internal.kernel}, and {@link io.github.lars4j.internal.Checks}.
 */
package io.github.lars4j.internal.passes;
