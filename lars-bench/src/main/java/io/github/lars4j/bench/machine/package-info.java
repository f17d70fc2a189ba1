/** The machine that benchmarks run on, and the JVMs that they are forked into. */
package io.github.lars4j.bench.machine;
