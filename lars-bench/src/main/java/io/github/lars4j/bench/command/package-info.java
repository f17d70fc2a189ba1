/** The command line: what a command is, how a command line is read, and how progress is shown. */
package io.github.lars4j.bench.command;
