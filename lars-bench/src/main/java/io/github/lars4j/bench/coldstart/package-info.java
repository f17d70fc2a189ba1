/** The first steps of fresh JVMs. */
package io.github.lars4j.bench.coldstart;
