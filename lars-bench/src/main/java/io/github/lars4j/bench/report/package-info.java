/** Turns the file of a run into tables, sentences, pictures and a page. */
package io.github.lars4j.bench.report;
