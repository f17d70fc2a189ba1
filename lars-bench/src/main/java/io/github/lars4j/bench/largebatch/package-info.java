/** Training with large batches, where LARS is needed: a trainer to copy from, and the experiment made with it. */
package io.github.lars4j.bench.largebatch;
