/** What is benchmarked: steps and parts of steps, on the layouts of real networks. */
package io.github.lars4j.bench.arms;
