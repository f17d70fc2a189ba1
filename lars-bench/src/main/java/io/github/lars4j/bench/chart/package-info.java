/** Tables, and charts as SVG. */
package io.github.lars4j.bench.chart;
