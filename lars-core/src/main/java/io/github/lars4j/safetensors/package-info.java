/**
 * Strict reading and canonical writing of safetensors files, without dependencies.
 *
 * <p>A safetensors file is an 8-byte little-endian header length, that many bytes of JSON naming every tensor's dtype,
 * shape and place, and then the tensors' data, little-endian and in C order. The reader accepts a subset of what the
 * reference implementation accepts: whatever a reader could take in two ways (a name given twice, a field it does not
 * know, a byte that belongs to no tensor) is refused.
 *
 * <p>No argument may be {@code null} unless its description says so: a {@link java.lang.NullPointerException} names it.
 */
package io.github.lars4j.safetensors;
