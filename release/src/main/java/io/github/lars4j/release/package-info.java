/** Checks what a release uploads to Maven Central. */
package io.github.lars4j.release;
