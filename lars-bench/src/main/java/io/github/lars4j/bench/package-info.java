/** The benchmark program's main class. */
package io.github.lars4j.bench;
