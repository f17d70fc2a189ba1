/** Runs recordings of other optimizers on this library's kernels. */
package io.github.lars4j.bench.replay;
