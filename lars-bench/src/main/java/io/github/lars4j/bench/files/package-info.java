/** Files that a user names: reading them with errors that say what they are, and writing them whole. */
package io.github.lars4j.bench.files;
