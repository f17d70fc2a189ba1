/** What one LARS is and another is not: pure functions between the two passes. No arrays, threads or SIMD. */
package io.github.lars4j.rule;
