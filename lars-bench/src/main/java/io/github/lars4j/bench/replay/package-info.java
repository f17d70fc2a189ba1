/**
 * Runs recordings of other optimizers on this library's kernels: for the command {@code replay}, and for tests of trainers,
 * which call {@link io.github.lars4j.bench.replay.Recording} and {@link io.github.lars4j.bench.replay.Replay}. Uses only
 * what lars-core exports.
 */
package io.github.lars4j.bench.replay;
