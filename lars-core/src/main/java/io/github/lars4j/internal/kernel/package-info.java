/**
 * The numeric code: the sums and updates of one block, scalar and SIMD, for arrays and for memory outside the heap, and the
 * choice between them. Uses no other package of this library except {@code internal.memory}.
 */
package io.github.lars4j.internal.kernel;
