/**
 * The two passes over memory, the plan of their work, and the threads that share it. Internal: may change at any time.
 */
package io.github.lars4j.internal.passes;
