/** Runs the benchmarks of {@code arms}: a selection by default, or what JMH's own options choose. */
package io.github.lars4j.bench.measure;
