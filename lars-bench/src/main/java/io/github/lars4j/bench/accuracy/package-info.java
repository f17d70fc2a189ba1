/** Ways to compute a norm: how far off they are, and how fast. */
package io.github.lars4j.bench.accuracy;
