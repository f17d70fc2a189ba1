/**
 * Checks, guards and error messages that all packages share: argument checks, the guard against overlapping calls, and
 * the wording of I/O errors. Uses no other package of this library.
 */
package io.github.lars4j.internal;
