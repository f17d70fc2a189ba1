/** What a trainer sees. Start at {@link io.github.lars4j.Lars} and {@link io.github.lars4j.Layers}. */
package io.github.lars4j;
