/**
 * Where tensors lie, in the form in which the kernels take it, and memory outside the heap: how the kernels reach it, and
 * what keeps it open meanwhile. Internal.
 */
package io.github.lars4j.internal.memory;
