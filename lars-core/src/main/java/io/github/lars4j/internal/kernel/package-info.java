/** Where SIMD begins: the code that touches array elements. Internal: may change at any time. */
package io.github.lars4j.internal.kernel;
