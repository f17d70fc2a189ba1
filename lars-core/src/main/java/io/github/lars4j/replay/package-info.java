/** Recordings of optimizers, and replaying them. Internal: may change at any time. */
package io.github.lars4j.replay;
