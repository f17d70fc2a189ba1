/**
 * What a trainer sees. Start at {@link io.github.lars4j.Lars} and {@link io.github.lars4j.Layers}.
 *
 * <p>No argument may be {@code null} unless its description says so: a {@link java.lang.NullPointerException} names it.
 * An argument that is refused, with whatever exception, has changed nothing.
 */
package io.github.lars4j;
