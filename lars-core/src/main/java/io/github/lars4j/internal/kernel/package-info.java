/**
 * The code that touches array elements: the sums and updates of one block, scalar and SIMD, and the choice between the
 * two. Uses no other package of this library except {@link io.github.lars4j.internal.Checks}.
 */
package io.github.lars4j.internal.kernel;
